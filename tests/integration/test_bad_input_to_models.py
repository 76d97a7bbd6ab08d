# SPDX-License-Identifier: Apache-2.0
"""What a person can get wrong with models: one line that helps, the right exit code, nothing changed."""

import ctypes
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import NamedTuple

import pytest
from deploy_town import deployer, registry, town
from endpoint_server import good_replies, serving

from node0.commands.model.model_options import main
from node0.finetune.deploy.deployer import Deployer
from node0.finetune.deploy.endpoint import Endpoint
from node0.finetune.registry.store import ModelRegistry
from node0.store.dolt_store import ATTEMPTS
from node0.town import Town

__all__ = ["deployer", "registry", "town"]

pytestmark = pytest.mark.integration

NODE0 = [sys.executable, "-c", "import sys; from node0.cli import main; sys.exit(main())", "model"]


@dataclass
class Place:
    """A town with three evaluated versions of a deacon, two of them deployed, and one thing that is wrong."""

    town: Town
    stack: ExitStack
    before_start: Callable[[], None] | None = None

    def served(self, name: str) -> list[str]:
        """Options of an endpoint that serves the deacon's third version, for a version."""
        url = self.stack.enter_context(serving(good_replies("vllm")))
        return ["deploy", name, "--endpoint", "vllm", "--url", url]

    def settings(self, text: str) -> None:
        self.town.model_settings_file.write_text(text)


Case = Callable[[Place], list[str]]


def unknown_name(_: Place) -> list[str]:
    return ["show", "decon"]


def unknown_name_to_deploy(place: Place) -> list[str]:
    return place.served("decon")


def unknown_version(_: Place) -> list[str]:
    return ["show", "deacon:9"]


def unknown_alias(_: Place) -> list[str]:
    return ["show", "deacon@actve"]


def alias_of_no_version(_: Place) -> list[str]:
    return ["deploy", "deacon@candidate", "--dry-run"]


def unknown_role_to_list(_: Place) -> list[str]:
    return ["list", "--role", "decon"]


def unknown_role_of_adapters(_: Place) -> list[str]:
    return ["adapters", "--role", "decon", "--json"]


def unknown_role_to_prune(_: Place) -> list[str]:
    return ["prune", "--role", "polcat"]


def unknown_role_to_roll_back(_: Place) -> list[str]:
    return ["rollback", "--role", "decon"]


def role_without_deployment(_: Place) -> list[str]:
    return ["rollback", "--role", "witness"]


def version_that_was_never_deployed(_: Place) -> list[str]:
    return ["rollback", "--role", "deacon", "--version", "3"]


def unknown_rig(_: Place) -> list[str]:
    return ["deploy", "deacon:3", "--rig", "dmeo", "--dry-run"]


def illegal_removal(_: Place) -> list[str]:
    return ["rm", "deacon@active"]


def illegal_move_of_a_flagged_version(place: Place) -> list[str]:
    found = ModelRegistry(place.town)
    found.update_deployment_status("deacon:3", "flagged", [], reason="a regression")
    found.close()
    return place.served("deacon:3")


def missing_artefact(place: Place) -> list[str]:
    (place.town.root.parent / "model-3" / "adapter_model.safetensors").unlink()
    return place.served("deacon:3")


def missing_artefact_to_verify(place: Place) -> list[str]:
    (place.town.root.parent / "model-3" / "adapter_model.safetensors").unlink()
    return ["verify", "deacon:3"]


def missing_directory_to_register(place: Place) -> list[str]:
    return ["register", str(place.town.root / "nowhere")]


def read_only_settings(place: Place) -> list[str]:
    _close(place, place.town.settings_file.parent)
    return place.served("deacon:3")


def read_only_models(place: Place) -> list[str]:
    _close(place, place.town.models)
    return ["note", "deacon:3", "hello"]


def malformed_settings(place: Place) -> list[str]:
    place.town.settings_file.write_bytes(b'{"role_agents": {"deacon": "opus"},\r\n \xe2\x80\xa6')
    return place.served("deacon:3")


def malformed_settings_to_roll_back(place: Place) -> list[str]:
    place.town.settings_file.write_bytes(b'{"agents": [')
    return ["rollback", "--role", "deacon"]


def settings_of_another_form(place: Place) -> list[str]:
    place.town.settings_file.write_bytes(b'{"agents": 3}')
    return place.served("deacon:3")


def model_settings_that_are_none(place: Place) -> list[str]:
    place.settings("store: {ulr: dolt}\n")
    return ["list"]


def store_of_an_unknown_kind(place: Place) -> list[str]:
    place.settings("store: {url: 'postgresql://me:hunter2@127.0.0.1/x'}\n")
    return ["list"]


def dolt_that_is_not_there(place: Place) -> list[str]:
    place.settings("store: {url: 'mysql+pymysql://node0:hunter2@127.0.0.1:9/node0'}\n")
    return ["list"]


def own_dolt_that_does_not_run(place: Place) -> list[str]:
    place.settings("store: {url: dolt}\n")
    return ["list"]


def endpoint_that_is_not_there(_: Place) -> list[str]:
    return ["deploy", "deacon:3", "--endpoint", "llama-server", "--url", "http://127.0.0.1:9"]


def endpoint_of_another_model(place: Place) -> list[str]:
    return place.served("deacon:2")


def endpoint_with_a_small_window(place: Place) -> list[str]:
    replies = good_replies("vllm") | {"/v1/models": {"data": [{"id": "deacon:3", "max_model_len": 64}]}}
    url = place.stack.enter_context(serving(replies))
    return ["deploy", "deacon:3", "--endpoint", "vllm", "--url", url]


def endpoint_that_makes_text_of_ids(place: Place) -> list[str]:
    replies = good_replies("vllm")
    replies["/v1/models"] = {"data": [{"id": "deacon:3"}]}
    replies["/v1/completions"] = {"usage": {"prompt_tokens": 9}}
    url = place.stack.enter_context(serving(replies))
    return ["deploy", "deacon:3", "--endpoint", "vllm", "--url", url]


def force_without_a_reason(place: Place) -> list[str]:
    return [*place.served("deacon:3"), "--force-deploy"]


def gate_that_says_no(place: Place) -> list[str]:
    place.settings("gate: {threshold: 0.99}\n")
    return place.served("deacon:3")


def _close(place: Place, directory: Path) -> None:
    directory.chmod(0o555)
    place.stack.callback(directory.chmod, 0o755)
    place.before_start = _as_anybody


def _as_anybody() -> None:
    """Take from root what lets it write where the mode says no: CAP_DAC_OVERRIDE out of PR_CAPBSET."""
    if os.geteuid() == 0:
        ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)


CASES: list[tuple[Case, int, tuple[str, ...]]] = [
    (unknown_name, 1, ("'decon'", "nearest: deacon")),
    (unknown_name_to_deploy, 1, ("'decon'", "nearest: deacon")),
    (unknown_version, 1, ("9", "newest is 3")),
    (unknown_alias, 1, ("'actve'", "@active")),
    (alias_of_no_version, 1, ("@candidate", "newest is 3")),
    (unknown_role_to_list, 1, ("'decon'", "did you mean 'deacon'?")),
    (unknown_role_of_adapters, 1, ("'decon'", "did you mean 'deacon'?")),
    (unknown_role_to_prune, 1, ("'polcat'", "did you mean 'polecat'?")),
    (unknown_role_to_roll_back, 1, ("'decon'", "did you mean 'deacon'?")),
    (role_without_deployment, 1, ("witness", "gt-model list")),
    (version_that_was_never_deployed, 1, ("version 3", "deacon:1", "deacon:2")),
    (unknown_rig, 1, ("'dmeo'", "demo")),
    (illegal_removal, 1, ("deacon:2", "cannot be removed", "@active")),
    (illegal_move_of_a_flagged_version, 3, ("deacon:3", "flagged", "--force-deploy")),
    (missing_artefact, 1, ("adapter_model.safetensors",)),
    (missing_artefact_to_verify, 1, ("adapter_model.safetensors",)),
    (missing_directory_to_register, 1, ("nowhere",)),
    (read_only_settings, 1, ("config.json", "cannot be written")),
    (read_only_models, 1, ("store.sqlite",)),
    (malformed_settings, 1, ("config.json",)),
    (malformed_settings_to_roll_back, 1, ("config.json",)),
    (settings_of_another_form, 1, ("config.json", "agents")),
    (model_settings_that_are_none, 1, ("ulr", "url")),
    (store_of_an_unknown_kind, 1, ("not supported", "mysql+pymysql://")),
    (dolt_that_is_not_there, 75, ("127.0.0.1:9/node0", "node0 store dolt status")),
    (own_dolt_that_does_not_run, 75, ("node0 store dolt start",)),
    (endpoint_that_is_not_there, 75, ("http://127.0.0.1:9", "start the server")),
    (endpoint_of_another_model, 1, ("deacon:3", "'deacon:2'", "--model")),
    (endpoint_with_a_small_window, 1, ("64 tokens", "context_window")),
    (endpoint_that_makes_text_of_ids, 1, ("9 tokens", "3 ids")),
    (force_without_a_reason, 1, ("--reason",)),
    (gate_that_says_no, 3, ("99.0%", "--force-deploy")),
]


@pytest.fixture
def place(town: Town, registry: ModelRegistry, deployer: Deployer) -> Iterator[Place]:
    for name in ("deacon:1", "deacon:2"):
        deployer.deploy(deployer.plan(name, endpoint=Endpoint()))
    registry.close()
    with ExitStack() as stack:
        yield Place(town, stack)


class Told(NamedTuple):
    """What a command said."""

    code: int
    out: str
    lines: list[str]
    "On stderr, without those that tell of an attempt that will be made again."


def _run(place: Place, command: list[str], capsys: pytest.CaptureFixture[str]) -> Told:
    """Run it here, or in a process where the process must be another one."""
    argv = [*command, "--town", str(place.town.root)]
    if place.before_start is None:
        capsys.readouterr()
        code = main(argv)
        out, err = capsys.readouterr()
    else:
        done = subprocess.run(
            [*NODE0, *argv],
            capture_output=True,
            text=True,
            preexec_fn=place.before_start,
            timeout=120,
            check=False,
        )
        code, out, err = done.returncode, done.stdout, done.stderr
    return Told(code, out, [line for line in err.splitlines() if not line.startswith("attempt ")])


def _outside_the_registry(town: Town) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes()
        for path in sorted(town.root.rglob("*"))
        if path.is_file() and not path.is_relative_to(town.models)
    }


def _registered(town: Town) -> list[tuple[str, str]]:
    town.model_settings_file.unlink(missing_ok=True)
    found = ModelRegistry(town)
    rows = [(entry.spelled, entry.deployment_status.value) for entry in found.list()]
    found.close()
    return rows


@pytest.mark.parametrize(("case", "code", "words"), CASES, ids=[case.__name__ for case, *_ in CASES])
def test_bad_input_is_one_line_the_right_exit_code_and_changes_nothing(
    place: Place, capsys: pytest.CaptureFixture[str], case: Case, code: int, words: tuple[str, ...]
) -> None:
    command = case(place)
    before = _outside_the_registry(place.town)

    told = _run(place, command, capsys)

    (line,) = told.lines
    assert (told.code, told.out) == (code, "")
    assert [word for word in words if word not in line] == []
    assert "hunter2" not in line
    assert _outside_the_registry(place.town) == before
    (third, *others) = _registered(place.town)
    assert third[1] == ("flagged" if case is illegal_move_of_a_flagged_version else "evaluated")
    assert others == [("deacon:2", "active"), ("deacon:1", "archived")]


@contextmanager
def _hanging_up(calls: list[object]) -> Iterator[int]:
    """The port of a server that ends each connection at once, and counts them."""

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            calls.append(self.client_address)

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def test_a_server_that_hangs_up_is_tried_a_few_times_and_then_exit_75(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    calls: list[object] = []
    with _hanging_up(calls) as port:
        place.settings(f"store: {{url: 'mysql+pymysql://node0@127.0.0.1:{port}/node0'}}\n")
        told = _run(place, ["list"], capsys)

    assert (told.code, len(told.lines)) == (75, 1)
    assert len(calls) == ATTEMPTS


def test_the_same_place_deploys_when_nothing_is_wrong(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    replies = good_replies("vllm") | {"/v1/models": {"data": [{"id": "deacon:3", "max_model_len": 1 << 20}]}}
    url = place.stack.enter_context(serving(replies))

    told = _run(place, ["deploy", "deacon:3", "--endpoint", "vllm", "--url", url], capsys)

    assert told.code == 0, told.lines
    assert b"ft-deacon-v3" in place.town.settings_file.read_bytes()
