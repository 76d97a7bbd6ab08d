# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from node0.errors import ConfigError, NotFound
from node0.town import Town


def a_town(root: Path) -> Path:
    (root / "mayor").mkdir(parents=True)
    (root / "mayor" / "town.json").write_text("{}")
    return root


def test_the_town_given_wins_over_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given, named, other = (a_town(tmp_path / name) for name in ("given", "named", "other"))
    monkeypatch.setenv("GT_TOWN_ROOT", str(named))
    monkeypatch.setenv("GT_ROOT", str(other))

    assert Town.locate(given).root == given
    assert Town.locate().root == named
    monkeypatch.delenv("GT_TOWN_ROOT")
    assert Town.locate().root == other


def test_the_town_is_found_from_a_directory_inside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = a_town(tmp_path / "gt") / "demo" / "polecats" / "toast"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)

    assert Town.locate().root == tmp_path / "gt"


def test_the_home_town_is_the_last_resort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotFound, match="--town"):
        Town.locate()

    a_town(tmp_path / "home" / "gt")

    assert Town.locate().root == tmp_path / "home" / "gt"


def test_a_town_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        Town.locate(tmp_path / "nowhere")


def test_settings_may_spell_the_town_as_its_usual_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    town = Town(tmp_path / "elsewhere")

    assert town.expand("~/gt/.corpus/deacon") == town.corpus / "deacon"
    assert town.expand("~/gt") == town.root
    assert town.expand("~/gtx") == tmp_path / "gtx"
    assert town.expand("/abs") == Path("/abs")


def test_editing_settings_keeps_every_other_key(tmp_path: Path) -> None:
    town = Town(tmp_path)
    assert town.read_settings() == {}
    with town.edit_settings() as settings:
        settings["agents"] = {"x": {"command": "claude"}}
    with town.edit_settings() as settings:
        settings["role_agents"] = {"deacon": "x"}

    assert json.loads(town.settings_file.read_text()) == {
        "agents": {"x": {"command": "claude"}},
        "role_agents": {"deacon": "x"},
    }


def test_a_failed_edit_writes_nothing(tmp_path: Path) -> None:
    town = Town(tmp_path)
    with town.edit_settings() as settings:
        settings["a"] = 1

    def fail() -> None:
        with town.edit_settings() as settings:
            settings["a"] = 2
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert town.read_settings() == {"a": 1}


@pytest.mark.parametrize("content", ["{", "[1]", "\xff"])
def test_broken_settings_are_one_clear_error(tmp_path: Path, content: str) -> None:
    town = Town(tmp_path)
    town.settings_file.parent.mkdir()
    town.settings_file.write_text(content, encoding="latin-1")

    with pytest.raises(ConfigError, match=r"config\.json"):
        town.read_settings()


def test_session_files_are_looked_for_where_accounts_and_town_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    town = Town(a_town(tmp_path / "gt"))
    monkeypatch.setenv("HOME", str(tmp_path))
    places = {name: tmp_path / name for name in ("account", "variable", ".claude")}
    for place in (*places.values(), town.root / ".claude"):
        (place / "projects").mkdir(parents=True)
    town.accounts_file.write_text(json.dumps({"accounts": {"work": {"config_dir": "~/account"}}}))

    assert town.claude_dirs() == [places["account"], town.root / ".claude"]
    assert town.claude_dirs([places["variable"]]) == [places["variable"]]
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(places["variable"]))
    assert town.claude_dirs() == [places["variable"], places["account"], town.root / ".claude"]


def test_the_users_own_session_files_are_read_only_when_nothing_names_a_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".claude" / "projects").mkdir(parents=True)
    town = Town(a_town(tmp_path / "gt"))

    assert town.claude_dirs() == [tmp_path / ".claude"]
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "gone"))
    assert town.claude_dirs() == []


def test_rigs_come_from_the_towns_own_list(tmp_path: Path) -> None:
    town = Town(a_town(tmp_path))
    assert town.rigs() == []
    town.rigs_file.write_text(json.dumps({"rigs": {"lantern": {}, "harbor": {}}}))

    assert town.rigs() == ["harbor", "lantern"]
