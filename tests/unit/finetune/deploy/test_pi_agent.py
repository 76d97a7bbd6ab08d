# SPDX-License-Identifier: Apache-2.0
import json
import os
import re
import stat
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from node0.finetune.chat.profile import DeploymentProfile, load_profile
from node0.finetune.deploy.agent import Agent
from node0.finetune.deploy.endpoint import Endpoint
from node0.finetune.deploy.pi_agent import pi_agent
from node0.town import Town

NAME = "ft-polecat-v3"
OWN = Endpoint(model="polecat:3", url="http://127.0.0.1:9")


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return Town(tmp_path / "a town")


def option(agent: Agent, name: str) -> str:
    return next(value for option, value in pairwise(agent.entry["args"]) if option == name)


def constant(agent: Agent, name: str) -> Any:
    """What the extension holds under a name."""
    text = agent.files[Path(option(agent, "-e"))]
    found = re.search(rf"^const {name} = (.*?);$", text, re.MULTILINE | re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_an_entry_is_of_pi_and_holds_everything_in_its_arguments(town: Town) -> None:
    agent = pi_agent(NAME, load_profile("polecat"), OWN, town=town)

    assert set(agent.entry) == {"provider", "command", "args"}
    assert agent.entry["provider"] == Path(agent.entry["command"]).name == "pi"
    assert (option(agent, "--provider"), option(agent, "--model")) == ("ft", "polecat:3")
    assert {"--no-extensions", "--no-context-files", "--offline"} <= set(agent.entry["args"])


def test_the_extension_names_the_endpoint_the_window_and_what_is_installed(town: Town) -> None:
    profile = load_profile("polecat")
    agent = pi_agent(NAME, profile, OWN, town=town)
    provider = constant(agent, "provider")
    (model,) = provider["models"]

    assert provider["baseUrl"] == "http://127.0.0.1:9/v1"
    assert model["id"] == "polecat:3"
    assert (model["contextWindow"], model["maxTokens"]) == (profile.context_window, profile.max_output_tokens)
    assert constant(agent, "collect") == str(town.collect_script)


def test_tools_have_pis_names_and_the_card_is_the_system_prompt(town: Town) -> None:
    profile = load_profile("polecat")
    agent = pi_agent(NAME, profile, OWN, town=town)

    assert option(agent, "--tools").split(",") == ["bash", "read", "edit", "write", "grep", "find"]
    assert agent.files[Path(option(agent, "--system-prompt"))] == profile.card


def test_a_role_without_card_and_tools_keeps_the_harness_own(town: Town) -> None:
    agent = pi_agent(NAME, DeploymentProfile(role="polecat"), OWN, town=town)

    assert not {"--tools", "--system-prompt"} & set(agent.entry["args"])
    assert not any(path.name == "card.md" for path in agent.files)


def test_a_session_is_summed_up_within_its_window(town: Town) -> None:
    profile = load_profile("polecat")
    agent = pi_agent(NAME, profile, OWN, town=town)
    text = next(text for path, text in agent.files.items() if path.name == "settings.json")
    compaction = json.loads(text)["compaction"]

    assert compaction["reserveTokens"] == profile.max_output_tokens
    assert 0 < compaction["keepRecentTokens"] < profile.context_window - profile.max_output_tokens


def test_the_program_becomes_the_pi_on_path_with_a_directory_of_its_own(town: Town, tmp_path: Path) -> None:
    agent = pi_agent(NAME, load_profile("polecat"), OWN, town=town)
    agent.write_files()
    real, rig = tmp_path / "bin" / "pi", tmp_path / "a rig"
    real.parent.mkdir()
    rig.mkdir()
    real.write_text('#!/bin/sh\necho "$PI_CODING_AGENT_DIR|$PI_CODING_AGENT_SESSION_DIR|$PATH|$*"\n')
    real.chmod(0o755)
    program = Path(agent.entry["command"])
    kept = "--" + str(rig).removeprefix("/").replace("/", "-") + "--"

    def told(**more: str) -> list[str]:
        given = {"PATH": f"{real.parent}:{os.defpath}", "HOME": "/home/ada", **more}
        done = subprocess.run([program, "--model", "a b"], cwd=rig, env=given, capture_output=True)
        return done.stdout.decode().strip().split("|")

    own, place = str(program.parent / "agent"), f"{real.parent}:{os.defpath}"
    assert told() == [own, f"/home/ada/.pi/agent/sessions/{kept}", place, "--model a b"]
    town.prime_shim.parent.mkdir(parents=True, exist_ok=True)
    town.prime_shim.write_text("#!/bin/sh\n")
    town.prime_shim.chmod(0o755)
    moved = told(PI_CODING_AGENT_DIR="/x")
    assert moved[1:3] == [f"/x/sessions/{kept}", f"{town.prime_shim.parent}:{place}"]


def test_files_are_its_owners_alone_and_lie_by_their_content(town: Town) -> None:
    agents = [pi_agent(NAME, load_profile(role), OWN, town=town) for role in ("polecat", "polecat", "deacon")]
    agents[0].write_files()

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in agents[0].files}
    assert modes == {"pi": 0o700, "gastown.js": 0o600, "settings.json": 0o600, "card.md": 0o600}
    assert len({option(agent, "-e") for agent in agents}) == 2
