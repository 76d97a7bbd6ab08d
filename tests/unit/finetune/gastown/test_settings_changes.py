# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

from node0.finetune.deploy.agent import Agent
from node0.finetune.gastown.install_record import InstallRecord
from node0.finetune.gastown.own_settings import OwnSettings
from node0.finetune.gastown.settings_changes import agent_changes, block_change, block_removal, hook_changes
from node0.town import Town

AGENT = Agent("ft-base-deacon", {"command": "claude"}, {})


def test_a_town_without_settings_gets_none_where_nothing_is_wanted(town: Town) -> None:
    town.settings_file.unlink()

    (change,), edits, kept = agent_changes(town, [], [])

    assert change.is_none and not edits and not kept


def test_an_agent_that_was_there_before_comes_back(town: Town) -> None:
    with town.edit_settings() as settings:
        settings["agents"]["ft-base-deacon"] = {"command": "before"}
    text = town.settings_file.read_text()
    (change,), edits, _ = agent_changes(town, [AGENT], [])
    change.make()

    (back,), _, _ = agent_changes(town, [], edits)

    assert back.after == text


def test_a_block_that_says_the_same_keeps_its_comments(town: Town) -> None:
    text = "town:\n  # chosen in March\n  base_model: /b\n"
    town.models.mkdir()
    town.model_settings_file.write_text(text)

    change, record = block_change(town, OwnSettings(base_model="/b"), InstallRecord())

    assert change.is_none and record.joint is None
    assert block_removal(town, record) == []


def test_an_empty_file_of_ours_stays_an_empty_file(town: Town) -> None:
    town.models.mkdir()
    town.model_settings_file.write_text("")
    change, record = block_change(town, OwnSettings(), InstallRecord())
    change.make()

    (back,) = block_removal(town, record)

    assert back.after == ""


def test_a_hook_moves_with_the_settings_of_its_user(town: Town, tmp_path: Path) -> None:
    here, there = tmp_path / "a.json", tmp_path / "b.json"
    (first,), edit = hook_changes(town, here, None)
    first.make()

    out, into = hook_changes(town, there, edit)[0]

    assert (out.path, out.after) == (here, None)
    assert into.path == there and into.after is not None


def test_a_hook_that_a_person_put_in_is_not_ours(town: Town, tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    (first,), _ = hook_changes(town, file, None)
    first.make()

    assert hook_changes(town, file, None) == ([], None)
