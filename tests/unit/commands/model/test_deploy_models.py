# SPDX-License-Identifier: Apache-2.0
import json
from collections.abc import Iterator

import pytest
from deploy_town import SETTINGS, registry, town
from endpoint_server import good_replies, serving

from node0.commands.model.deploy_models import endpoint
from node0.commands.model.model_options import main
from node0.errors import ConfigError
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town

__all__ = ["registry", "town"]

Output = pytest.CaptureFixture[str]


@pytest.fixture
def at(town: Town, registry: ModelRegistry) -> list[str]:
    """Options: of a town with three versions, and of a server that serves deacon:3 with 64k tokens."""
    registry.close()
    return ["--town", str(town.root)]


@pytest.fixture
def served() -> Iterator[list[str]]:
    replies = good_replies("vllm")
    replies["/v1/models"] = {"data": [{"id": "deacon:3", "max_model_len": 1 << 20}]}
    with serving(replies) as url:
        yield ["--endpoint", "vllm", "--url", url, "--model", "deacon:3"]


def _agent(town: Town) -> object:
    return json.loads(town.settings_file.read_text())["role_agents"]["deacon"]


def test_a_dry_run_prints_the_change_and_makes_none(at: list[str], town: Town, capsys: Output) -> None:
    assert main(["deploy", "deacon:3", "--dry-run", *at]) == 0

    told = capsys.readouterr()
    assert '-"opus"\n+"ft-deacon-v3"' in told.out
    assert "would write" in told.err
    assert town.settings_file.read_text() == SETTINGS


def test_a_version_goes_to_work_and_comes_back(
    at: list[str], served: list[str], town: Town, capsys: Output
) -> None:
    assert main(["deploy", "deacon:2", *served, *at]) == 0
    assert main(["deploy", "deacon:3", *served, *at]) == 0
    deployed = _agent(town)
    told = capsys.readouterr().err
    assert main(["rollback", "--role", "deacon", *at]) == 0
    back = _agent(town)
    assert main(["rollback", "--role", "deacon", "--version", "0", *at]) == 0

    assert (deployed, back, _agent(town)) == ("ft-deacon-v3", "ft-deacon-v2", "opus")
    assert "deacon:3 is at work for deacon in the town as agent ft-deacon-v3" in told
    assert "to take it back: node0 model rollback --role deacon" in told
    assert "the agent before ours is at work for deacon" in capsys.readouterr().err
    assert town.settings_file.read_text() == SETTINGS


def test_a_rig_alone_can_have_it(at: list[str], served: list[str], town: Town) -> None:
    assert main(["deploy", "deacon:3", "--rig", "demo", *served, *at]) == 0

    rig = json.loads((town.root / "demo" / "settings" / "config.json").read_text())
    assert rig["role_agents"] == {"deacon": "ft-deacon-v3"}
    assert _agent(town) == "opus"


def test_the_gate_is_exit_3_and_can_be_passed_with_a_reason_only(
    at: list[str], served: list[str], town: Town, capsys: Output
) -> None:
    town.model_settings_file.write_text("gate: {threshold: 0.99}\n")

    refused = main(["deploy", "deacon:3", *served, *at])
    line = capsys.readouterr().err
    unreasoned = main(["deploy", "deacon:3", "--force-deploy", *served, *at])
    untouched = town.settings_file.read_text()
    forced = main(["deploy", "deacon:3", "--force-deploy", "--reason", "a trial", *served, *at])

    assert (refused, unreasoned, forced) == (3, 1, 0)
    assert "below deployment threshold 99.0%" in line
    assert "override with --force-deploy --reason TEXT" in line
    assert untouched == SETTINGS
    assert "warning: deacon:3 went past the gate" in capsys.readouterr().err


def test_a_server_that_is_not_there_is_exit_75_and_changes_nothing(at: list[str], town: Town) -> None:
    options = ["--endpoint", "vllm", "--url", "http://127.0.0.1:9"]

    assert main(["deploy", "deacon:3", *options, *at]) == 75
    assert town.settings_file.read_text() == SETTINGS


def test_a_server_of_another_model_is_refused_and_nothing_is_changed(
    at: list[str], served: list[str], town: Town, capsys: Output
) -> None:
    assert main(["deploy", "deacon:2", *served[:4], *at]) == 1

    told = capsys.readouterr().err
    assert "it serves deacon:3, not 'deacon:2'" in told
    assert told.count("\n") == 1
    assert town.settings_file.read_text() == SETTINGS


def test_an_endpoint_is_named_whole() -> None:
    assert endpoint("own", None, "").kind == "own"
    assert endpoint("sglang", "http://host:1/v/", "m").url == "http://host:1/v"
    with pytest.raises(ConfigError, match=r"no kind of endpoint 'vlm'.*'vllm'"):
        endpoint("vlm", "http://host", "")
    with pytest.raises(ConfigError, match="needs --url"):
        endpoint("vllm", None, "")
    with pytest.raises(ConfigError, match="is no address such as"):
        endpoint("vllm", "host:8000", "")


@pytest.mark.parametrize("file", ["adapter_model.safetensors", "adapter_config.json"])
def test_one_flipped_byte_is_refused_with_the_files_name(
    at: list[str], served: list[str], town: Town, capsys: Output, file: str
) -> None:
    path = town.root.parent / "model-3" / file
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])

    assert main(["deploy", "deacon:3", "--force-deploy", "--reason", "a trial", *served, *at]) == 1

    told = capsys.readouterr().err
    assert file in told and told.count("\n") == 1
    assert town.settings_file.read_text() == SETTINGS
