# SPDX-License-Identifier: Apache-2.0
from importlib import import_module
from pathlib import Path

import pytest
import typer

from node0.cli import COMMANDS
from node0.finetune.deploy.endpoint import Endpoint
from node0.finetune.gastown.upkeep.night_decision import Decision, NightlySettings, Step
from node0.finetune.gastown.upkeep.step_commands import (
    BEFORE,
    deploy_command,
    evaluate_command,
    train_command,
)
from node0.town import Town

TOWN = Town(Path("/a town"))
DECISION = Decision("deacon", Step.DEPLOY, "", subject="deacon:2", suite="roles")
SETTINGS = NightlySettings(epochs=3, config="own.yaml")


def given(words: list[str]) -> dict[str, object]:
    """What a command of ours takes from these words; nothing is run."""
    name, *arguments = words
    command = typer.main.get_command(import_module(COMMANDS[name].module).app)
    while known := getattr(command, "commands", None):
        name, *arguments = arguments
        command = known[name]
    return command.make_context(name, arguments).params


def test_training_registers_under_the_name_of_the_role() -> None:
    found = given(train_command(DECISION, SETTINGS, town=TOWN, base_model="/base", run="/runs/a"))

    named = ("role", "base_model", "checkpoint_dir", "config", "register", "dry_run")
    assert [found[name] for name in named] == ["deacon", "/base", "/runs/a", "own.yaml", "deacon", False]
    assert found["town"] == TOWN.root


def test_a_training_file_is_found_from_the_town_wherever_the_night_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gt").mkdir()
    file = tmp_path / "gt" / "own.yaml"
    file.write_text("lr: 1e-4\n")
    monkeypatch.chdir(tmp_path)

    def config(name: str) -> object:
        words = train_command(
            DECISION, NightlySettings(config=name), town=Town(tmp_path / "gt"), base_model="/b", run="/r"
        )
        return given(words)["config"]

    assert [config(name) for name in ("own.yaml", "~/gt/own.yaml", str(file))] == [str(file)] * 3
    assert config("lora_sft_deacon") == "lora_sft_deacon"


def test_an_evaluation_is_of_the_version_on_the_suite_or_on_what_its_run_held_out() -> None:
    suite, replay = (
        given(evaluate_command(DECISION._replace(suite=one), SETTINGS, town=TOWN, run="/runs/a"))
        for one in ("roles", "replay")
    )

    assert (suite["model"], suite["epochs"], suite["replay"], suite["store"]) == ("deacon:2", 3, None, True)
    assert (str(replay["replay"]), replay["replay_only"]) == ("/runs/a", True)


@pytest.mark.parametrize("endpoint", [Endpoint(), Endpoint(kind="vllm", url="http://127.0.0.1:8000")])
def test_no_night_goes_around_the_gate(endpoint: Endpoint) -> None:
    found = given(deploy_command(DECISION, town=TOWN, endpoint=endpoint, rigs=["a", "b"]))

    assert found["name"] == "deacon:2" and found["rig"] == ["a", "b"]
    assert (found["force_deploy"] if "force_deploy" in found else found["force"]) is False
    assert (found["url"] or Endpoint().url) == endpoint.url


def test_a_night_begins_with_commands_of_ours() -> None:
    for words in BEFORE:
        assert given([*words, "--town", "/a town"])["town"] == TOWN.root
