# SPDX-License-Identifier: Apache-2.0
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node0.errors import ConfigError, DeployInUse
from node0.finetune.deploy.settings_edits import lock_file
from node0.finetune.gastown.install_record import InstallRecord, read_record
from node0.finetune.gastown.installation import Places, carry_out, plan_install, plan_uninstall
from node0.finetune.gastown.own_settings import OwnSettings
from node0.finetune.gastown.town_checks import AGENT_KEYS
from node0.town import Town

WANTED = OwnSettings(base_model="/base", roles=["deacon", "witness"], claude_hook=True, claude_trust=True)


def install(town: Town, places: Places, settings: OwnSettings = WANTED) -> list[Path]:
    was = read_record(town)
    plan = plan_install(town, settings, places, was=was)
    carry_out(town, plan, was=was)
    return [change.path for change in plan.changes]


def uninstall(town: Town) -> list[str]:
    was = read_record(town)
    assert was is not None
    plan = plan_uninstall(town, was)
    carry_out(town, plan, was=was)
    return plan.kept


def tree(*roots: Path) -> dict[str, bytes | None]:
    """Every file with what it holds, and every directory."""
    found = [path for root in roots for path in root.rglob("*")]
    return {str(path): path.read_bytes() if path.is_file() else None for path in found}


def test_uninstalling_leaves_every_byte_as_it_was(town: Town, places: Places, tmp_path: Path) -> None:
    places.claude_settings.parent.mkdir(parents=True)
    places.claude_settings.write_text('{"model":"opus", "hooks":{"SessionEnd":[ {"hooks":[]} ]}}')
    places.claude_states[0].write_text('{"projects" :{}, "oauthAccount": {"key": "k"}}')
    town.models.mkdir()
    town.model_settings_file.write_text("gate: {threshold: 0.9}  # ours")
    before = tree(tmp_path)

    install(town, places)
    assert tree(tmp_path) != before
    uninstall(town)

    assert tree(tmp_path) == before


def test_a_town_and_a_home_of_nothing_are_empty_again(town: Town, places: Places, tmp_path: Path) -> None:
    town.settings_file.unlink()
    before = tree(tmp_path)

    install(town, places)
    for left in ("collect.log", ".collect.lock"):
        (town.models / left).write_text("as the script leaves it\n")
    uninstall(town)

    assert tree(tmp_path) == before


def test_installing_again_changes_nothing(town: Town, places: Places, tmp_path: Path) -> None:
    install(town, places)
    before = tree(tmp_path)

    assert install(town, places) == []
    assert tree(tmp_path) == before


def test_a_plan_writes_nothing(town: Town, places: Places, tmp_path: Path) -> None:
    before = tree(tmp_path)

    plan = plan_install(town, WANTED, places, was=None)

    assert plan.changes and all(change.diff() for change in plan.changes)
    assert tree(tmp_path) == before


def test_agents_have_only_keys_of_gt_and_roles_run_what_they_ran(town: Town, places: Places) -> None:
    install(town, places)

    settings = town.read_settings()
    assert settings["agents"].keys() == {"opus", "ft-base-deacon", "ft-base-witness"}
    assert all(entry.keys() <= AGENT_KEYS for entry in settings["agents"].values())
    assert settings["role_agents"] == {"deacon": "opus"}


def test_another_choice_takes_out_what_is_not_wanted_any_more(
    town: Town, places: Places, tmp_path: Path
) -> None:
    before = tree(tmp_path)
    install(town, places)

    install(town, places, OwnSettings(base_model="/base", roles=["polecat"], timer=False))

    assert town.read_settings()["agents"].keys() == {"opus", "ft-base-polecat"}
    assert not places.claude_settings.exists() and not list(places.units.glob("*"))
    uninstall(town)
    assert tree(tmp_path).keys() - before.keys() <= {str(town.models)}
    assert town.settings_file.read_bytes() == before[str(town.settings_file)]


def test_without_a_base_there_are_no_agents(town: Town, places: Places) -> None:
    install(town, places, OwnSettings(roles=["deacon"]))

    assert town.read_settings()["agents"].keys() == {"opus"}


def test_what_gt_rewrote_is_ours_still_and_what_it_added_stays(town: Town, places: Places) -> None:
    install(town, places)
    settings = {"cli_theme": "dark", **town.read_settings()}
    town.settings_file.write_text(json.dumps(settings, indent=1, sort_keys=True))

    assert install(town, places) == []
    assert uninstall(town) == []
    assert town.read_settings() == {
        "cli_theme": "dark",
        "type": "town-settings",
        "version": 1,
        "scheduler": {"max_polecats": 3.0, "note": "café"},
        "agents": {"opus": {"provider": "claude"}},
        "role_agents": {"deacon": "opus"},
    }


@pytest.mark.parametrize("mend_first", [False, True])
def test_an_entry_that_somebody_replaced_is_mended_and_then_goes(
    town: Town, places: Places, mend_first: bool
) -> None:
    text = town.settings_file.read_text()
    install(town, places)
    with town.edit_settings() as settings:
        settings["agents"]["ft-base-deacon"] = {"command": "claude"}

    if mend_first:
        assert install(town, places) == [town.settings_file]
        assert uninstall(town) == []
        assert town.read_settings() == json.loads(text)
    else:
        assert uninstall(town) == ["agents.ft-base-deacon in settings/config.json"]
        assert town.read_settings()["agents"]["ft-base-deacon"] == {"command": "claude"}


def test_a_file_that_somebody_changed_stays_and_is_named(town: Town, places: Places) -> None:
    install(town, places)
    run = town.plugins / "node0-collect" / "run.sh"
    run.write_text("mine")

    assert uninstall(town) == [str(run)]
    assert run.read_text() == "mine"


def test_a_file_of_somebody_else_is_not_overwritten(town: Town, places: Places) -> None:
    run = town.plugins / "node0-collect" / "run.sh"
    run.parent.mkdir(parents=True)
    run.write_text("mine")

    with pytest.raises(ConfigError, match=r"run\.sh is there and was not installed by us"):
        plan_install(town, WANTED, places, was=None)


def test_a_file_that_changed_since_the_plan_stops_it_before_anything_is_written(
    town: Town, places: Places, tmp_path: Path
) -> None:
    plan = plan_install(town, WANTED, places, was=None)
    town.settings_file.write_text("{}")
    before = tree(tmp_path)

    with pytest.raises(DeployInUse, match="has changed meanwhile"):
        carry_out(town, plan, was=None)

    locks = {str(town.models), str(lock_file(town))}
    assert {path: text for path, text in tree(tmp_path).items() if path not in locks} == before


def test_what_a_crash_left_half_done_is_finished_or_taken_back(
    town: Town, places: Places, tmp_path: Path
) -> None:
    before = tree(tmp_path)
    plan = plan_install(town, WANTED, places, was=None)
    for done in range(len(plan.changes) + 1):
        carry_out(town, replace(plan, changes=plan.changes[:done]), was=None)
        uninstall(town)

        assert tree(tmp_path).keys() - before.keys() <= {str(town.models)}
        assert town.settings_file.read_bytes() == before[str(town.settings_file)]


@pytest.mark.parametrize("text", ["[]", "{nothing", '{"agents": 3}'])
def test_settings_that_cannot_be_edited_are_named_and_left(town: Town, places: Places, text: str) -> None:
    town.settings_file.write_text(text)

    with pytest.raises(ConfigError, match=r"settings/config\.json"):
        plan_install(town, WANTED, places, was=None)

    assert town.settings_file.read_text() == text


@given(
    settings=st.dictionaries(st.sampled_from(["a", "é", "role_agents"]), st.integers(), max_size=3),
    agents=st.none() | st.dictionaries(st.sampled_from(["x", "ft-base-deacon"]), st.just({"command": "y"})),
    indent=st.none() | st.sampled_from([1, 3, "\t"]),
)
def test_any_settings_come_back_to_the_byte(
    tmp_path_factory: pytest.TempPathFactory, settings: Any, agents: Any, indent: Any
) -> None:
    town = Town(tmp_path_factory.mktemp("town"))
    places = Places(Path("/n"), town.root / "claude.json", town.root / "units")
    text = json.dumps(settings if agents is None else {**settings, "agents": agents}, indent=indent)
    town.settings_file.parent.mkdir()
    town.settings_file.write_text(text)

    install(town, places)
    uninstall(town)

    assert town.settings_file.read_text() == text


def test_the_files_hold_their_rights(town: Town, places: Places) -> None:
    install(town, places)

    modes = {
        Path(name).name: Path(name).stat().st_mode & 0o777
        for name in (read_record(town) or InstallRecord()).files
    }
    assert modes["collect.sh"] == 0o700 and modes["run.sh"] == 0o755
    assert modes["settings.json"] == modes["card.md"] == 0o600
