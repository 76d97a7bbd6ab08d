# SPDX-License-Identifier: Apache-2.0
import json
import os
import stat
import subprocess
from pathlib import Path

import pytest

from node0.finetune.chat.profile import DeploymentProfile, load_profile
from node0.finetune.deploy.endpoint import Endpoint
from node0.finetune.deploy.opencode_agent import opencode_agent
from node0.town import Town

NAME = "ft-polecat-v3"
OWN = Endpoint(model="polecat:3", url="http://127.0.0.1:9")


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return Town(tmp_path / "a town")


def test_an_entry_is_of_opencode_and_holds_everything_in_its_command_and_arguments(town: Town) -> None:
    agent = opencode_agent(NAME, load_profile("polecat"), OWN, town=town)

    assert set(agent.entry) == {"provider", "command", "args"}
    assert agent.entry["provider"] == Path(agent.entry["command"]).name == "opencode"
    assert agent.entry["args"] == ["--model", "ft/polecat:3"]


def test_the_configuration_names_the_endpoint_the_window_and_the_profiles_tools(town: Town) -> None:
    profile = load_profile("polecat")
    agent = opencode_agent(NAME, profile, OWN, town=town)
    config = json.loads(next(text for path, text in agent.files.items() if path.suffix == ".json"))

    assert config["provider"]["ft"]["options"]["baseURL"] == "http://127.0.0.1:9/v1"
    model = config["provider"]["ft"]["models"]["polecat:3"]
    assert model["limit"] == {"context": profile.context_window, "output": profile.max_output_tokens}
    tools = config["agent"]["build"]["tools"]
    assert list(tools.values()).count(True) == len(profile.tools) and tools["*"] is False and tools["bash"]
    assert config["agent"]["build"]["prompt"] == "{file:./card.md}"


def test_a_role_without_card_and_tools_keeps_the_harness_own(town: Town) -> None:
    agent = opencode_agent(NAME, DeploymentProfile(role="polecat"), OWN, town=town)
    config = json.loads(next(text for path, text in agent.files.items() if path.suffix == ".json"))

    assert config["agent"]["build"] == {} and not any(path.name == "card.md" for path in agent.files)


def test_the_program_becomes_the_opencode_on_path_with_our_configuration(town: Town, tmp_path: Path) -> None:
    agent = opencode_agent(NAME, load_profile("polecat"), OWN, town=town)
    agent.write_files()
    real = tmp_path / "bin" / "opencode"
    real.parent.mkdir()
    real.write_text('#!/bin/sh\necho "$OPENCODE_CONFIG $PATH $*"\n')
    real.chmod(0o755)
    program = Path(agent.entry["command"])

    def told() -> str:
        done = subprocess.run(
            [program, "--model", "a b"], env={"PATH": f"{real.parent}:{os.defpath}"}, capture_output=True
        )
        return done.stdout.decode().strip()

    config = str(program.with_name("opencode.json"))
    assert told() == f"{config} {real.parent}:{os.defpath} --model a b"
    town.prime_shim.parent.mkdir(parents=True, exist_ok=True)
    town.prime_shim.write_text("#!/bin/sh\n")
    town.prime_shim.chmod(0o755)
    assert told() == f"{config} {town.prime_shim.parent}:{real.parent}:{os.defpath} --model a b"
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in agent.files}
    assert modes == {"opencode": 0o700, "opencode.json": 0o600, "card.md": 0o600}


def test_files_lie_by_their_content(town: Town) -> None:
    places = {
        str(opencode_agent(NAME, load_profile(role), OWN, town=town).entry["command"])
        for role in ("polecat", "polecat", "deacon")
    }

    assert len(places) == 2
