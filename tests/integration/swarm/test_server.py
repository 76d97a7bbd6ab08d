# SPDX-License-Identifier: Apache-2.0
"""`node0 server`: what it refuses, whom it lets in, and what it tells."""

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from integration.swarm.processes import LAYERS, SERVER, place, stages
from tiny_run import make_base

from node0 import run_finetune
from node0.commands.swarm import swarm_options as swarm
from node0.pipeline.swarm.observe import observe
from node0.run_server import main
from node0.security.run_secret import RunSecretAuthorizer
from node0.swarm.peer.peer import Peer, PeerSettings
from node0.swarm.run.run_file import authorizer_of, read_run, write_run
from node0.swarm.transport.sockets import socket_directory

pytestmark = pytest.mark.integration

GREETS_FOR_LONG = """
import asyncio, sys
from node0.run_server import main
from node0.swarm.peer.dht_node import DhtNode

async def greet(node, addresses):
    print("greeting", file=sys.stderr, flush=True)
    await asyncio.sleep(600)

DhtNode.greet = greet
sys.exit(main())
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three stages, as `node0 swarm init` leaves it."""
    directory = tmp_path_factory.mktemp("made")
    run = directory / "run"
    assert swarm.main(["init", str(run), "--config", str(place(directory)), "--stages", "3"]) == 0
    return run


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """The command takes SIGTERM; give it back."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on loopback on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def refused(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 1) -> str:
    """The one line by which a command line is refused."""
    capsys.readouterr()
    assert main([*arguments, "--device", "cpu"]) == code
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if not line.startswith("WARNING: running in local mode")] == lines[-1:]
    return lines[-1]


def test_without_anyone_who_admits_peers_it_names_both_ways(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = json.loads((made / "run.json").read_text()) | {"local_mode": False}
    (tmp_path / "run.json").write_text(json.dumps(tree))

    line = refused(capsys, "--run", str(tmp_path), "--local-stage", "head-0")

    assert "--local-mode" in line
    assert '"authorizer": {"class_name": ..., "init_args": ...} in run.json' in line


def test_a_seed_without_a_peer_id_is_refused_with_the_command_that_prints_it(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = refused(
        capsys, "--run", str(made), "--local-stage", "head-0", "--initial-peers", "/ip4/127.0.0.1/tcp/8765"
    )

    assert "has no peer id" in line
    assert "node0 swarm address RUN STAGE" in line


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--local-stage", "body-7"], "body-7"),
        (["--local-stage", "tail"], "'tail'"),
        (["--local-stage", "head-0", "--allow-peer", "anyone"], "'anyone' is no peer id"),
        (["--local-stage", "head-0", "--identity-path", "{run}/identities/tail-2.key"], "is of tail-2"),
        (["--identity-path", "{run}/identities/head-9.key"], "no key file"),
        (["--local-stage", "head-0", "--base-model", "{run}/../other/base"], "and the run is made for"),
        (["--local-stage", "head-0", "--base-model", "{run}/../nothing"], "nothing"),
    ],
)
def test_what_does_not_fit_the_run_is_refused(
    arguments: list[str], reason: str, made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = made.parent / "other"
    if not other.exists():
        other.mkdir()
        make_base(other, seed=8, **LAYERS)

    line = refused(capsys, "--run", str(made), *(word.format(run=made) for word in arguments))

    assert reason in line


def test_it_says_so_when_it_is_told_nothing_to_hold(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--local-stage" in refused(capsys, "--run", str(made), code=2)


def test_ports_that_are_taken_are_named(made: Path, taken: int, capsys: pytest.CaptureFixture[str]) -> None:
    stage = ["--run", str(made), "--local-stage", "head-0"]

    listening = refused(capsys, *stage, "--host-maddrs", f"/ip4/127.0.0.1/tcp/{taken}")
    metrics = refused(capsys, *stage, "--metrics-port", str(taken))

    assert f"/ip4/127.0.0.1/tcp/{taken}" in listening
    assert "node0 doctor" in listening
    assert f"cannot serve metrics on port {taken}" in metrics
    assert "--metrics-port" in metrics


def test_its_metrics_and_its_bead_can_be_asked_for(made: Path) -> None:
    words = [*SERVER, "--run", str(made), "--local-stage", "tail-2", "--device", "cpu"]
    with subprocess.Popen(
        [*words, "--metrics-port", "0", "--bead-id", "gt-abc12"], stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        try:
            said = next(line for line in process.stderr if line.startswith("metrics on "))
            started = next(line for line in process.stderr if line.startswith("Server started: "))
            with urllib.request.urlopen(said.split()[2], timeout=20) as answer:
                kind, text = answer.headers["Content-Type"], answer.read().decode()
            run = read_run(made)
            (told,) = observe(made, run, [run.member("tail-2")])
        finally:
            process.terminate()
    assert process.returncode == 0

    assert kind.startswith("text/plain")
    values = dict(re.findall(r'^(\w+){stage="tail-2"} ([0-9.e+]+)$', text, re.MULTILINE))
    assert float(values["node0_stage_tokens_total"]) == 0.0
    assert float(values["node0_stage_peak_bytes"]) > 1e6
    assert "# TYPE node0_stage_microbatches_total counter" in text
    assert "tail-2 for bead gt-abc12 at /ip4/127.0.0.1/tcp/" in started
    assert told.told is not None
    assert told.told["bead"] == "gt-abc12"


def test_it_can_be_ended_while_it_starts(made: Path) -> None:
    words = [*SERVER, "--run", str(made), "--local-stage", "body-1", "--device", "cpu"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = iter(process.stderr.readline, "")
        assert any(line.startswith("WARNING: running in local mode") for line in said)
        process.terminate()
        rest = process.communicate(timeout=60)[1]

    # It may have started by then, where the machine is busy.
    assert [line for line in rest.splitlines() if not line.startswith("Server started: ")] == []
    assert process.returncode == 0
    assert not socket_directory(made, "body-1").exists()


def test_it_can_be_ended_while_it_greets_who_does_not_answer(made: Path) -> None:
    words = [sys.executable, "-c", GREETS_FOR_LONG, "--run", str(made), "--local-stage", "body-1"]
    with subprocess.Popen([*words, "--device", "cpu"], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert any(line == "greeting\n" for line in iter(process.stderr.readline, ""))
        process.terminate()
        rest = process.communicate(timeout=60)[1]

    assert (process.returncode, rest) == (0, "")
    assert not socket_directory(made, "body-1").exists()


def secret(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def test_only_peers_with_the_secret_of_run_json_share_its_dht(made: Path, tmp_path: Path) -> None:
    """As `node0 server` builds it: an authorizer that run.json names."""
    ours, theirs = (secret(tmp_path / name, name * 8) for name in ("ours", "theirs"))
    common = read_run(made)

    def peer(stack: ExitStack, name: str, file: Path, *seeds: str) -> Peer:
        named = {"class_name": "node0.security.run_secret.RunSecretAuthorizer"}
        tree: dict[str, Any] = {
            **common.model_dump(),
            "local_mode": False,
            "authorizer": {**named, "init_args": {"secret_file": str(file)}},
        }
        write_run(tmp_path, type(common).model_validate(tree))
        authorizer = authorizer_of(read_run(tmp_path))
        assert isinstance(authorizer, RunSecretAuthorizer)
        made = Peer(PeerSettings(tmp_path / f"s-{name}", initial_peers=seeds, authorizer=authorizer))
        stack.callback(made.close)
        return made

    with ExitStack() as stack:
        first = peer(stack, "a", ours)
        second = peer(stack, "b", ours, *first.addresses)
        stranger = peer(stack, "c", theirs, *first.addresses)
        assert second.store("runs", "b", 1, seconds=60)
        stranger.store("runs", "c", 2, seconds=60)

        assert first.get("runs") == {"b": 1}
        assert second.get("runs") == {"b": 1}
        assert "b" not in stranger.get("runs")


def test_a_run_that_is_not_local_trains_with_a_secret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    file = place(tmp_path, max_steps=2, val_split=0)
    assert swarm.main(["init", str(run), "--config", str(file), "--stages", "1"]) == 0
    named = {
        "class_name": "node0.security.run_secret.RunSecretAuthorizer",
        "init_args": {"secret_file": str(secret(tmp_path / "secret", "s" * 32))},
    }
    tree = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**tree, "local_mode": False, "authorizer": named}))

    with stages(run, ["solo-0"]):
        code = run_finetune.main(["--swarm", "--run", str(run)])
        said = capsys.readouterr().err
        assert swarm.main(["status", str(run), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert swarm.main(["status", str(run), "--json"]) == 0
    (gone,) = json.loads(capsys.readouterr().out)

    assert code == 0, said
    assert (row["version"], row["last_seen"], gone["last_seen"]) == (2, 0.0, None)
    log = (run / "solo-0.log").read_text()
    assert "local mode" not in log
    assert "refused" not in log
