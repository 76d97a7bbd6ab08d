# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path
from typing import Any

import pytest

from node0.errors import ConfigError
from node0.finetune.gastown.role_agents import RoleAgent, role_agents
from node0.town import Town


@pytest.fixture
def town(town_root: Path) -> Town:
    put(town_root / "mayor" / "rigs.json", {"rigs": {"demo": {}, "other": {}}})
    return Town(town_root)


def put(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def of(town: Town, role: str, rig: str = "") -> RoleAgent:
    (found,) = [one for one in role_agents(town) if (one.role, one.rig) == (role, rig)]
    return found


def test_a_town_without_settings_runs_claude_and_dogs_haiku(town: Town) -> None:
    agents = {(one.role, one.agent) for one in role_agents(town)}

    assert ("dog", "claude-haiku") in agents
    assert {agent for role, agent in agents if role != "dog"} == {"claude"}


def test_a_setting_that_gt_does_not_follow_for_dogs_is_told(town: Town) -> None:
    put(town.settings_file, {"agents": {"ft": {"provider": "claude"}}, "role_agents": {"dog": "ft"}})

    assert (of(town, "dog").agent, of(town, "dog").not_followed) == (
        "claude-haiku",
        "role_agents.dog is ft",
    )
    put(town.settings_file, {"agents": {"ft": {"provider": "opencode"}}, "role_agents": {"dog": "ft"}})
    assert (of(town, "dog").agent, of(town, "dog").not_followed) == ("ft", "")


def test_members_of_a_crew_with_an_agent_of_their_own_are_told_the_rigs_first(town: Town) -> None:
    put(town.settings_file, {"crew_agents": {"ada": "opus", "bo": "haiku"}})
    put(town.rig_settings_file("demo"), {"worker_agents": {"ada": "mine"}})

    assert [str(one) for one in of(town, "crew", "demo").members] == [
        "worker_agents.ada of demo is mine",
        "crew_agents.bo is haiku",
    ]
    assert [one.agent for one in of(town, "crew", "other").members] == ["opus", "haiku"]
    assert of(town, "polecat", "demo").members == ()


def test_the_nearer_setting_wins(town: Town) -> None:
    entries = {name: {"provider": "claude"} for name in ("a", "b", "c", "d")}
    put(town.settings_file, {"agents": entries, "default_agent": "d", "role_agents": {"witness": "b"}})
    put(town.rig_settings_file("demo"), {"agent": "c", "role_agents": {"refinery": "a"}})

    assert of(town, "refinery", "demo").agent == "a"
    assert of(town, "witness", "demo").agent == "b"
    assert of(town, "polecat", "demo").agent == "c"
    assert of(town, "polecat", "other").agent == "d"
    assert of(town, "polecat", "demo").source == "agent of demo"


def test_a_name_that_gt_does_not_have_is_passed_over_and_told(town: Town) -> None:
    put(town.settings_file, {"role_agents": {"deacon": "gone"}, "default_agent": "opencode"})

    found = of(town, "deacon")

    assert (found.agent, found.passed_over) == ("opencode", ("role_agents.deacon is gone",))


def test_a_preset_of_the_town_or_the_rig_is_known_there(town: Town) -> None:
    put(town.rig_settings_file("demo").with_name("agents.json"), {"agents": {"mine": {}}})
    put(town.settings_file, {"role_agents": {"witness": "mine"}})

    assert of(town, "witness", "demo").agent == "mine"
    assert of(town, "witness", "other").agent == "claude"


@pytest.mark.parametrize(
    ("entry", "agent"),
    [
        ({"provider": "claude"}, "claude-haiku"),
        ({"command": "/x/claude"}, "claude-haiku"),
        ({"provider": "opencode"}, "mine"),
        ({"command": "pi"}, "mine"),
    ],
)
def test_a_dog_gets_another_harness_and_no_other_claude(town: Town, entry: Any, agent: str) -> None:
    put(town.settings_file, {"agents": {"mine": entry}, "role_agents": {"dog": "mine"}})

    assert of(town, "dog").agent == agent


def test_a_command_of_the_roles_own_is_found_where_gt_looks_for_it(town: Town) -> None:
    usual = town.role_file("witness")
    usual.parent.mkdir()
    usual.write_text('[session]\nstart_command = "exec claude --dangerously-skip-permissions"\n')
    own = town.role_file("witness", "demo")
    own.parent.mkdir(parents=True)
    own.write_text('[session]\nstart_command = "exec run --town {town}"\n')
    town.role_file("deacon").write_text('[session]\npattern = "hq-deacon"\n')

    assert of(town, "witness", "demo").own_command == "demo/roles/witness.toml"
    assert of(town, "witness", "other").own_command == ""
    assert of(town, "deacon").own_command == ""

    own.write_text('[session]\nstart_command = "exec claude --dangerously-skip-permissions"\n')
    usual.write_text('[session]\nstart_command = "exec run --town {town}"\n')
    assert of(town, "witness", "demo").own_command == ""
    assert of(town, "witness", "other").own_command == "roles/witness.toml"


def test_a_file_of_a_role_that_is_no_toml_is_named(town: Town) -> None:
    town.role_file("deacon").parent.mkdir()
    town.role_file("deacon").write_text("[session")

    with pytest.raises(ConfigError, match=r"roles/deacon\.toml"):
        role_agents(town)
