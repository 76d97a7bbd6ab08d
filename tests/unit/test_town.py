# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from node0.errors import ConfigError, NotFound
from node0.town import DoltServer, Town, environment, set_unless_given


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


@pytest.mark.parametrize(
    "content",
    [
        "[",
        "[]",
        "[" * 100_000,
        '{"accounts": 7}',
        '{"accounts": "work"}',
        '{"accounts": [7]}',
        '{"accounts": {"work": null}}',
        '{"accounts": {"work": {"config_dir": ["~/account"]}}}',
        '{"accounts": {"work": {"config_dir": 1e999}}}',
    ],
)
def test_accounts_of_odd_shapes_are_refused_in_one_line(tmp_path: Path, content: str) -> None:
    town = Town(a_town(tmp_path / "gt"))
    town.accounts_file.write_text(content)

    for read in (town.claude_dirs, town.account_states):
        with pytest.raises(ConfigError, match=r"accounts\.json .*repair it") as caught:
            read()
        assert "\n" not in str(caught.value)


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


@pytest.fixture
def dolt_town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Town:
    for name in ("HOST", "PORT", "USER", "PASSWORD"):
        monkeypatch.delenv(f"GT_DOLT_{name}", raising=False)
    return Town(a_town(tmp_path))


def test_a_dolt_server_is_where_gt_starts_one_unless_something_says_otherwise(dolt_town: Town) -> None:
    assert dolt_town.dolt_server() == DoltServer("127.0.0.1", 3307, "root", "")
    (dolt_town.root / "mayor" / "daemon.json").write_text('{"env": {"GT_DOLT_PORT": "3400"}}')
    assert dolt_town.dolt_server().port == 3400


def test_how_the_dolt_server_was_started_wins_over_the_environment(
    dolt_town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"HOST": "::1", "PORT": "3500", "USER": "ann", "PASSWORD": "pw"}.items():
        monkeypatch.setenv(f"GT_DOLT_{name}", value)
    assert dolt_town.dolt_server() == DoltServer("::1", 3500, "ann", "pw")
    dolt_town.dolt_config_file.parent.mkdir()
    dolt_town.dolt_config_file.write_text("listener: {host: 0.0.0.0, port: 3600}\nuser: {name: root}\n")

    assert dolt_town.dolt_server() == DoltServer("127.0.0.1", 3600, "root", "pw")
    assert dolt_town.dolt_server(host="127.0.0.2", port=3700, user="eve") == DoltServer(
        "127.0.0.2", 3700, "eve", "pw"
    )


def test_a_password_is_not_shown(dolt_town: Town) -> None:
    assert "pw" not in repr(DoltServer(password="pw"))


@pytest.mark.parametrize("port", ["0", "65536", "-1", "many", "²"])
def test_a_dolt_port_that_is_none_is_refused(
    dolt_town: Town, monkeypatch: pytest.MonkeyPatch, port: str
) -> None:
    monkeypatch.setenv("GT_DOLT_PORT", port)

    with pytest.raises(ConfigError, match="GT_DOLT_PORT"):
        dolt_town.dolt_server()


@pytest.mark.parametrize("content", ["[1]", "listener: 7", "", "user:"])
def test_a_dolt_configuration_of_another_form_says_nothing(dolt_town: Town, content: str) -> None:
    dolt_town.dolt_config_file.parent.mkdir()
    dolt_town.dolt_config_file.write_text(content)

    assert dolt_town.dolt_server() == DoltServer()


@pytest.mark.parametrize("content", [b"a: [b\n", b"a: 2026-02-30\n", b"\xff"])
def test_a_dolt_configuration_that_cannot_be_read_is_said(dolt_town: Town, content: bytes) -> None:
    dolt_town.dolt_config_file.parent.mkdir()
    dolt_town.dolt_config_file.write_bytes(content)

    with pytest.raises(ConfigError, match="not YAML"):
        dolt_town.dolt_server()


def test_beads_directories_are_the_towns_and_its_rigs(dolt_town: Town) -> None:
    dolt_town.rigs_file.write_text(json.dumps({"rigs": {"lantern": {}, "harbor": {}}}))
    places = [dolt_town.root / name / ".beads" for name in (".", "harbor/mayor/rig", "lantern")]
    for place in places:
        place.mkdir(parents=True)

    assert [place.resolve() for place in dolt_town.beads_dirs()] == [place.resolve() for place in places]
    assert not dolt_town.has_beads
    (dolt_town.root / ".beads" / "metadata.json").write_text("{}")
    assert dolt_town.has_beads


def test_a_town_of_gt_has_its_mark_and_a_directory_of_models_has_not(tmp_path: Path) -> None:
    assert Town(a_town(tmp_path / "gt")).is_gas_town
    assert not Town(tmp_path).is_gas_town


def test_what_belongs_to_a_town_outside_it_has_a_name_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = Town(tmp_path / "a" / "gt"), Town(tmp_path / "b" / "gt")

    assert here.slug != there.slug and here.slug.startswith("gt-")
    assert here.tmux_socket == here.slug
    monkeypatch.setenv("GT_TMUX_SOCKET", "named")
    assert here.tmux_socket == "named"


def test_a_rig_has_settings_and_presets_of_its_own(town_root: Path) -> None:
    town = Town(town_root)
    assert (town.read_rig_settings("demo"), town.read_presets("demo"), town.read_presets()) == ({}, {}, {})

    for place, name in ((town_root, "a"), (town_root / "demo", "b")):
        (place / "settings").mkdir(parents=True, exist_ok=True)
        (place / "settings" / "agents.json").write_text(f'{{"agents": {{"{name}": {{}}}}}}')
    town.rig_settings_file("demo").write_text('{"agent": "b"}')

    assert town.read_presets()["agents"].keys() == {"a"}
    assert town.read_presets("demo")["agents"].keys() == {"b"}
    assert town.read_rig_settings("demo") == {"agent": "b"}


def test_a_cost_tier_is_what_the_environment_says(town_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Town(town_root).cost_tier == ""

    monkeypatch.setenv("GT_COST_TIER", "budget")

    assert Town(town_root).cost_tier == "budget"


def test_a_variable_is_set_only_where_nobody_did(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODE0_TEST_GIVEN", "theirs")
    monkeypatch.setenv("NODE0_TEST_NEW", "")
    monkeypatch.delenv("NODE0_TEST_NEW")

    set_unless_given("NODE0_TEST_GIVEN", "ours")
    set_unless_given("NODE0_TEST_NEW", "ours")

    found = environment()
    assert (found["NODE0_TEST_GIVEN"], found["NODE0_TEST_NEW"]) == ("theirs", "ours")
