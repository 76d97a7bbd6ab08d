# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from node0.finetune.chat.profile import load_profile
from node0.finetune.deploy.agent import claude_agent
from node0.finetune.deploy.endpoint import Endpoint
from node0.finetune.registry.schema import ModelRegistryEntry

ENTRY = ModelRegistryEntry(name="deacon", role="deacon", version=3, artifact_path="/x")
KNOWN_TO_GT = {"provider", "command", "args", "env", "initial_prompt", "prompt_mode", "session", "hooks"}
PROFILE = load_profile("deacon")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "agents" / "ft-deacon-v3"


def test_an_entry_has_only_keys_that_gt_knows(directory: Path) -> None:
    agent = claude_agent(ENTRY, PROFILE, Endpoint(), directory=directory)

    assert set(agent.entry) <= KNOWN_TO_GT
    assert (agent.name, agent.entry["provider"], agent.entry["command"]) == (
        "ft-deacon-v3",
        "claude",
        "claude",
    )


def test_arguments_name_settings_model_tools_and_card(directory: Path) -> None:
    agent = claude_agent(ENTRY, PROFILE, Endpoint(), directory=directory)

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
    assert settings.parent == card.parent and settings.parent.parent == directory


def test_other_files_are_another_place_and_the_same_ones_are_not(directory: Path) -> None:
    def place(endpoint: Endpoint, card: str | None) -> Path:
        profile = PROFILE.model_copy(update={"card": card})
        return next(iter(claude_agent(ENTRY, profile, endpoint, directory=directory).files)).parent

    here, there = Endpoint(), Endpoint(url="http://127.0.0.1:9")

    assert place(here, "x") == place(here, "x")
    assert len({place(here, "x"), place(there, "x"), place(here, "y"), place(here, None)}) == 4


def test_the_harness_is_told_endpoint_and_window(directory: Path) -> None:
    endpoint = Endpoint(kind="vllm", url="http://gpu:8000/", model="lora-3")
    agent = claude_agent(ENTRY, PROFILE, endpoint, directory=directory)
    agent.write_files()

    environment = json.loads(next(iter(agent.files)).read_text())["env"]
    assert environment["ANTHROPIC_BASE_URL"] == "http://gpu:8000"
    assert environment["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] == str(PROFILE.context_window)
    assert environment["CLAUDE_CODE_MAX_OUTPUT_TOKENS"] == str(PROFILE.max_output_tokens)
    assert environment["CLAUDE_CODE_ATTRIBUTION_HEADER"] == "0"
    assert agent.entry["args"][agent.entry["args"].index("--model") + 1] == "lora-3"


def test_its_files_are_whole_and_private(directory: Path) -> None:
    agent = claude_agent(ENTRY, PROFILE, Endpoint(), directory=directory)
    agent.write_files()

    (card,) = directory.glob("*/card.md")
    assert card.read_text() == PROFILE.card
    assert {path.stat().st_mode & 0o777 for path in card.parent.iterdir()} == {0o600}


def test_a_profile_without_card_and_tools_leaves_the_harness_its_own(directory: Path) -> None:
    bare = PROFILE.model_copy(update={"card": None, "tools": ()})

    args = claude_agent(ENTRY, bare, Endpoint(), directory=directory).entry["args"]

    assert {"--tools", "--system-prompt-file"}.isdisjoint(args)
