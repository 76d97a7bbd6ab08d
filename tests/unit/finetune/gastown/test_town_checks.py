# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from node0.finetune.gastown.role_agents import Member, RoleAgent
from node0.finetune.gastown.town_checks import agents, dolt, roles, town_checks
from node0.town import Town


def test_an_agent_of_ours_that_gt_does_not_start_for_dogs_is_said_with_what_helps() -> None:
    one = RoleAgent("dog", "", "claude-haiku", "x", not_followed="role_agents.dog is ft-dog-v1")
    states = {each.state: each for each in roles([one])}

    assert states["bad"].found.startswith("role_agents.dog is ft-dog-v1; gt runs a dog on claude-haiku")
    assert "--harness opencode" in states["bad"].do
    other = one._replace(not_followed="role_agents.dog is opus")
    assert [each.state for each in roles([other])] == ["ok"]


def test_a_member_of_a_crew_with_another_agent_than_ours_is_said() -> None:
    one = RoleAgent("crew", "demo", "ft-crew-v1", "x", members=(Member("ada", "opus", "crew_agents.ada"),))

    assert [each.found for each in roles([one]) if each.state == "note"] == [
        "crew_agents.ada is opus: it goes before ft-crew-v1"
    ]
    assert all(each.state == "ok" for each in roles([one._replace(agent="opus")]))


def test_the_program_of_an_agent_of_ours_must_be_there(tmp_path: Path) -> None:
    entry = {"provider": "opencode", "command": str(tmp_path / "opencode"), "args": ["--model", "ft/x"]}
    table = {"settings/config.json": {"ft-deacon-v1": entry, "mine": entry}}
    (gone,) = agents(table)
    assert gone.state == "bad" and f"ft-deacon-v1 names {tmp_path / 'opencode'}, which is gone" in gone.found

    (tmp_path / "opencode").touch()
    assert [one.state for one in agents(table)] == ["ok"]


def test_every_subject_has_a_line(town_root: Path) -> None:
    found = list(town_checks(Town(town_root)))

    assert list(dict.fromkeys(one.check for one in found)) == ["town", "rigs", "roles", "agents", "dolt"]
    assert all(one.do for one in found if one.state != "ok")


def test_a_directory_that_is_no_town_is_said_and_nothing_else(tmp_path: Path) -> None:
    (found,) = town_checks(Town(tmp_path))

    assert found.state == "bad" and "mayor/town.json" in found.found


def test_settings_that_cannot_be_read_are_named_and_the_rest_is_checked(town_root: Path) -> None:
    Town(town_root).settings_file.write_text("{nothing")

    found = {one.check: one for one in town_checks(Town(town_root))}

    assert found["roles"].state == "bad" and "config.json" in found["roles"].found
    assert found["dolt"].state == "note"


def test_roles_that_run_one_agent_share_a_line() -> None:
    found = list(roles([RoleAgent("deacon", "", "a", "x"), RoleAgent("witness", "demo", "a", "x")]))

    assert [(one.state, one.found) for one in found] == [("ok", "a: deacon, demo/witness")]


def test_an_agent_that_gt_does_not_have_is_bad_and_said_once() -> None:
    passed = ("role_agents.witness is gone",)
    both = [RoleAgent("witness", rig, "claude", "x", passed) for rig in ("demo", "other")]

    (one,) = [one for one in roles(both) if one.state == "bad"]

    assert one.found.startswith("role_agents.witness is gone")


@pytest.mark.parametrize(("agent", "state"), [("claude", "note"), ("ft-deacon-v1", "bad")])
def test_a_cost_tier_is_bad_where_it_hides_an_agent_of_ours(agent: str, state: str) -> None:
    found = list(roles([RoleAgent("deacon", "", agent, "x")], tier="budget"))

    assert found[-1].state == state and "budget" in found[-1].found


def test_a_key_that_gt_would_drop_is_named() -> None:
    (one,) = agents({"settings/config.json": {"mine": {"command": "x", "endpoint": "y", "role": "z"}}})

    assert one.state == "bad" and "endpoint, role" in one.found


def test_an_agent_of_ours_without_its_files_is_bad(tmp_path: Path) -> None:
    card = tmp_path / "card.md"
    entry = {
        "command": "claude",
        "args": ["--settings", str(tmp_path / "no"), "--system-prompt-file", str(card)],
    }
    card.write_text("You patrol.")

    (one,) = agents({"settings/config.json": {"ft-deacon-v1": entry}})
    (other,) = agents({"settings/config.json": {"of-a-person": entry}})

    assert one.state == "bad" and str(tmp_path / "no") in one.found
    assert other.state == "ok"


def test_a_dolt_server_that_does_not_answer_is_bad(town_root: Path, free_port: int) -> None:
    (town_root / ".dolt-data").mkdir()
    (town_root / ".dolt-data" / "config.yaml").write_text(json.dumps({"listener": {"port": free_port}}))

    found = dolt(Town(town_root))

    assert found.state == "bad" and str(free_port) in found.found and "gt dolt start" in found.do


@pytest.mark.parametrize(("agent", "states"), [("claude", ["ok"]), ("ft-witness-v1", ["ok", "bad"])])
def test_a_command_that_gt_starts_in_the_place_of_an_agent_of_ours_is_bad(
    agent: str, states: list[str]
) -> None:
    one = RoleAgent("witness", "demo", agent, "x", own_command="demo/roles/witness.toml")

    found = list(roles([one]))

    assert [each.state for each in found] == states
    assert states == ["ok"] or found[-1].do == "take start_command out of demo/roles/witness.toml"
