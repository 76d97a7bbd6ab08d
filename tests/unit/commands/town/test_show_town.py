# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from node0.commands.town.show_town import show_programs, show_status

Output = pytest.CaptureFixture[str]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with gt 1.0.1 and bd 1.0.5, and nothing else of a town."""
    place = tmp_path / "bin"
    place.mkdir()
    for name, version in {"gt": "1.0.1", "bd": "1.0.5"}.items():
        (place / name).write_text(f"#!/bin/sh\necho {name} version {version}\n")
        (place / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(place))
    return place


def rows(capsys: Output) -> dict[str, dict[str, str]]:
    return {row["check"]: row for row in json.loads(capsys.readouterr().out)}


@pytest.mark.parametrize("shown", ["status", "doctor"])
def test_a_pair_that_does_not_work_is_named_by_both(
    town_root: Path, programs: Path, capsys: Output, shown: str
) -> None:
    code = show_status(town_root, as_json=True) if shown == "status" else show_programs(as_json=True)

    assert code == 1
    found = rows(capsys)["versions"]
    assert found["state"] == "bad" and found["found"].startswith("gt 1.0.1 with bd 1.0.5")


def test_a_town_has_a_line_for_everything(town_root: Path, capsys: Output) -> None:
    assert show_status(town_root, as_json=True) == 0

    expected = [
        "town",
        "rigs",
        "roles",
        "agents",
        "dolt",
        "versions",
        "installed",
        "corpus",
        "nightly",
        "models",
    ]
    assert list(rows(capsys)) == expected


def test_the_table_fits_80_columns_and_loses_nothing(
    town_root: Path, programs: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    show_status(town_root, as_json=True)
    wanted = rows(capsys)["versions"]

    show_status(town_root, as_json=False)

    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    words = "".join(line.split("│")[3].strip() for line in shown.splitlines() if line.startswith("│"))
    assert wanted["found"].replace(" ", "") in words.replace(" ", "")


def test_a_broken_file_of_ours_is_a_line_and_the_others_are_shown(town_root: Path, capsys: Output) -> None:
    (town_root / ".models").mkdir()
    (town_root / ".models" / "installed.json").write_text("{")

    assert show_status(town_root, as_json=True) == 1

    found = rows(capsys)
    assert found["installed"]["state"] == "bad" and found["models"]["state"] == "note"
