# SPDX-License-Identifier: Apache-2.0
import json
import subprocess
from pathlib import Path

import pytest

from node0.finetune.chat.profile import DeploymentProfile, ProfileTool, load_profile
from node0.finetune.deploy.agent import claude_agent, session_end_command
from node0.finetune.deploy.endpoint import Endpoint
from node0.town import Town

NAME = "ft-deacon-v3"
OWN = Endpoint(model="deacon:3")
KNOWN_TO_GT = {"provider", "command", "args", "env", "initial_prompt", "prompt_mode", "session", "hooks"}
PROFILE = load_profile("deacon")


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return Town(tmp_path / "a town")


def environment_of(profile: DeploymentProfile, town: Town) -> dict[str, str]:
    """What an agent's settings put into the harness's environment."""
    agent = claude_agent(NAME, profile, OWN, town=town)
    found: dict[str, str] = json.loads(next(iter(agent.files.values())))["env"]
    return found


def test_an_entry_has_only_keys_that_gt_knows(town: Town) -> None:
    agent = claude_agent(NAME, PROFILE, OWN, town=town)

    assert set(agent.entry) <= KNOWN_TO_GT
    assert (agent.name, agent.entry["provider"], agent.entry["command"]) == (
        "ft-deacon-v3",
        "claude",
        "claude",
    )


def test_arguments_name_settings_model_tools_and_card(town: Town) -> None:
    agent = claude_agent(NAME, PROFILE, OWN, town=town)

    args, (settings, card) = agent.entry["args"], agent.files
    options = dict(zip(args[1::2], args[2::2], strict=True))
    assert args[0] == "--dangerously-skip-permissions"
    assert options == {
        "--setting-sources": "user",
        "--settings": str(settings),
        "--model": "deacon:3",
        "--tools": "Bash",
        "--system-prompt-file": str(card),
    }
    assert (settings.name, card.name) == ("settings.json", "card.md")
    assert settings.parent == card.parent and settings.parent.parent == town.models / "agents" / NAME


def test_other_files_are_another_place_and_the_same_ones_are_not(town: Town) -> None:
    def place(endpoint: Endpoint, card: str | None) -> Path:
        profile = PROFILE.model_copy(update={"card": card})
        return next(iter(claude_agent(NAME, profile, endpoint, town=town).files)).parent

    here, there = OWN, Endpoint(url="http://127.0.0.1:9", model="deacon:3")

    assert place(here, "x") == place(here, "x")
    assert len({place(here, "x"), place(there, "x"), place(here, "y"), place(here, None)}) == 4


def test_the_harness_is_told_endpoint_and_window(town: Town) -> None:
    endpoint = Endpoint(kind="vllm", url="http://gpu:8000/", model="lora-3")
    agent = claude_agent(NAME, PROFILE, endpoint, town=town)
    agent.write_files()

    environment = json.loads(next(iter(agent.files)).read_text())["env"]
    assert environment["ANTHROPIC_BASE_URL"] == "http://gpu:8000"
    summed_up_at = int(environment["CLAUDE_CODE_MAX_CONTEXT_TOKENS"]) - 13_000
    assert summed_up_at == PROFILE.context_window - 2_000
    assert environment["CLAUDE_CODE_MAX_OUTPUT_TOKENS"] == str(PROFILE.max_output_tokens)
    assert environment["CLAUDE_CODE_ATTRIBUTION_HEADER"] == "0"
    assert agent.entry["args"][agent.entry["args"].index("--model") + 1] == "lora-3"


@pytest.mark.parametrize("role", ["refinery", "polecat", "crew"])
def test_several_tools_are_sent_in_the_profiles_words(town: Town, role: str) -> None:
    profile = load_profile(role)

    sent = json.loads(environment_of(profile, town)["CLAUDE_CODE_EXTRA_BODY"])

    assert len(profile.tools) > 1
    assert sent == {"tools": profile.tool_list()}


@pytest.mark.parametrize("tools", [0, 1])
def test_fewer_tools_leave_the_body_to_the_harness(town: Town, tools: int) -> None:
    profile = PROFILE.model_copy(update={"tools": PROFILE.tools[:tools]})

    assert len(profile.tools) == tools
    assert "CLAUDE_CODE_EXTRA_BODY" not in environment_of(profile, town)


def test_a_tool_of_a_persons_own_profile_is_sent_whole(town: Town) -> None:
    shout = ProfileTool(name="Größe", description='Say "❯".', input_schema={"type": "object"})
    profile = PROFILE.model_copy(update={"tools": (*PROFILE.tools, shout)})

    sent = json.loads(environment_of(profile, town)["CLAUDE_CODE_EXTRA_BODY"])

    assert sent["tools"][-1] == {
        "name": "Größe",
        "description": 'Say "❯".',
        "input_schema": {"type": "object"},
    }


def test_its_files_are_whole_and_private(town: Town) -> None:
    agent = claude_agent(NAME, PROFILE, OWN, town=town)
    agent.write_files()

    (card,) = town.models.glob("agents/*/*/card.md")
    assert card.read_text() == PROFILE.card
    assert {path.stat().st_mode & 0o777 for path in card.parent.iterdir()} == {0o600}


def test_a_profile_without_card_and_tools_leaves_the_harness_its_own(town: Town) -> None:
    bare = PROFILE.model_copy(update={"card": None, "tools": ()})

    args = claude_agent(NAME, bare, OWN, town=town).entry["args"]

    assert {"--tools", "--system-prompt-file"}.isdisjoint(args)


def test_the_end_of_a_session_collects_where_that_is_installed(town: Town) -> None:
    agent = claude_agent(NAME, PROFILE, OWN, town=town)
    hooks = json.loads(next(iter(agent.files.values())))["hooks"]
    (command,) = [one["command"] for group in hooks["SessionEnd"] for one in group["hooks"]]

    assert command == session_end_command(town.collect_script)
    assert subprocess.run(["sh", "-c", command], capture_output=True).returncode == 0

    town.models.mkdir(parents=True)
    town.collect_script.write_text("#!/bin/sh\necho collecting\n")
    town.collect_script.chmod(0o700)
    assert subprocess.run(["sh", "-c", command], capture_output=True).stdout == b"collecting\n"
