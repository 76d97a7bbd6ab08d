# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest
from deploy_town import SETTINGS

from node0.errors import ConfigError, NotFound
from node0.finetune.deploy.settings_edits import disagreements, make, plan_edits, settings_files, undo
from node0.finetune.registry.deployments import Edit
from node0.town import Town

AGENT = {"provider": "claude", "args": ["--model", "dm:1"]}


def _plan(town: Town, *rigs: str, role: str = "deacon") -> list[Edit]:
    files = settings_files(town, rigs)
    return plan_edits(town.root, files, role=role, agent="ft-dm-v1", entry=AGENT)


def test_what_was_made_is_undone_to_the_byte(town: Town) -> None:
    edits = _plan(town)

    make(town.root, edits)

    found = json.loads(town.settings_file.read_text())
    assert found["role_agents"]["deacon"] == "ft-dm-v1"
    assert found["agents"]["ft-dm-v1"] == AGENT
    assert disagreements(town.root, edits) == []
    undo(town.root, edits)
    assert town.settings_file.read_text() == SETTINGS


def test_planning_writes_nothing(town: Town) -> None:
    _plan(town, "demo")

    assert not (town.root / "demo" / "settings").exists()
    assert town.settings_file.read_text() == SETTINGS


def test_a_file_and_tables_that_were_made_go_again(town: Town) -> None:
    town.settings_file.unlink()
    edits = _plan(town, role="polecat")

    make(town.root, edits)
    made = json.loads(town.settings_file.read_text())
    undo(town.root, edits)

    assert made["type"] == "town-settings"
    assert made["role_agents"] == {"polecat": "ft-dm-v1"}
    assert not town.settings_file.exists()


def test_a_rigs_file_says_that_it_is_a_rigs(town: Town) -> None:
    edits = _plan(town, "demo")

    make(town.root, edits)

    assert json.loads((town.root / "demo/settings/config.json").read_text())["type"] == "rig-settings"
    assert town.settings_file.read_text() == SETTINGS


def test_what_somebody_changed_since_is_told_and_left_alone(town: Town) -> None:
    edits = _plan(town)
    make(town.root, edits)
    changed = json.loads(town.settings_file.read_text())
    changed["role_agents"]["deacon"] = "sonnet"
    town.settings_file.write_text(json.dumps(changed))

    (line,) = disagreements(town.root, edits)
    undo(town.root, edits)

    assert line == f'role_agents.deacon in {town.settings_file} is "sonnet"'
    found = json.loads(town.settings_file.read_text())
    assert found["role_agents"]["deacon"] == "sonnet"
    assert "ft-dm-v1" not in found["agents"]


def test_settings_that_gt_wrote_anew_with_other_spacing_agree(town: Town) -> None:
    edits = _plan(town)
    make(town.root, edits)

    town.settings_file.write_text(json.dumps(json.loads(town.settings_file.read_text()), indent=1))

    assert disagreements(town.root, edits) == []


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"agents": 3}', "\ufeff{}", '{"a": ' + "[" * 200 + "]" * 200 + "}"]
)
def test_settings_that_are_none_are_refused_and_stay(town: Town, text: str) -> None:
    town.settings_file.write_text(text)

    with pytest.raises(ConfigError, match=r"settings/config\.json"):
        _plan(town)

    assert town.settings_file.read_text() == text


def test_an_unknown_rig_is_refused_with_the_known_ones(town: Town) -> None:
    with pytest.raises(NotFound, match=r"no rig .dmeo. in .*demo, other"):
        settings_files(town, ["dmeo"])


def test_where_there_is_no_gas_town_nothing_is_changed(tmp_path: Path) -> None:
    assert settings_files(Town(tmp_path), []) == []
    with pytest.raises(NotFound, match="no Gas Town and has no rigs"):
        settings_files(Town(tmp_path), ["demo"])
