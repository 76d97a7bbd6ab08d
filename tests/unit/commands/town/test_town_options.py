# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from node0.commands.town.town_options import main
from node0.town import Town

Output = pytest.CaptureFixture[str]


@pytest.fixture
def at(town_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return ["--town", str(town_root)]


def test_a_town_is_installed_into_and_left_as_it_was(at: list[str], town_root: Path, capsys: Output) -> None:
    town = Town(town_root)
    text = town.settings_file.read_bytes()

    options = ["--base-model", "org/base", "--role", "deacon", "--role", "witness", "--no-timer"]
    assert main(["install", *at, *options]) == 0
    assert town.read_settings()["agents"].keys() == {"ft-base-deacon", "ft-base-witness"}
    assert main(["status", *at, "--json"]) == 0
    found = {row["check"]: row for row in json.loads(capsys.readouterr().out)}
    assert found["installed"]["state"] == "ok" and "timer" not in found

    assert main(["uninstall", *at, "--dry-run"]) == 0
    assert "--- " in capsys.readouterr().out
    assert main(["uninstall", *at]) == 0
    assert town.settings_file.read_bytes() == text


def test_nobody_is_asked_where_nobody_can_answer(at: list[str], capsys: Output) -> None:
    assert main(["install", *at]) == 1

    assert capsys.readouterr().err.startswith("error: nobody is there to ask: give --base-model and --role")


def test_a_role_that_is_none_is_refused_before_anything_is_written(
    at: list[str], town_root: Path, capsys: Output
) -> None:
    assert main(["install", *at, "--yes", "--role", "deacn"]) == 1

    assert "no role 'deacn'" in capsys.readouterr().err
    assert not (town_root / ".models").exists()


def test_the_programs_are_looked_at_without_a_town(capsys: Output) -> None:
    assert main(["doctor", "--json"]) in (0, 1)

    rows = json.loads(capsys.readouterr().out)
    assert {"gt", "bd", "dolt", "tmux", "harness", "versions"} == {row["check"] for row in rows}
