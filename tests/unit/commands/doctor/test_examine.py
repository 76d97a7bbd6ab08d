# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from node0.commands.doctor import examine as doctor
from node0.commands.doctor.examine import examine
from node0.swarm.run.create import create_run
from node0.swarm.run.layout import lay_out
from node0.swarm.run.swarm_run import SwarmRun

Printed = pytest.CaptureFixture[str]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    slots = lay_out(2, replicas={}, spares=0, hosts={})
    create_run(tmp_path / "run", slots, common=SwarmRun(num_stages=2), settings="")
    return tmp_path / "run"


def _rows(capsys: Printed) -> dict[str, dict[str, str]]:
    return {row["check"]: row for row in json.loads(capsys.readouterr().out)}


def test_a_run_is_found_by_its_file_too(run: Path, capsys: Printed) -> None:
    assert examine(run / "run.json", None, as_json=True) == 0
    by_file = _rows(capsys)

    examine(run, None, as_json=True)

    assert by_file.keys() == _rows(capsys).keys() >= {"base", "port of head-0"}


def test_a_missing_package_is_said_and_what_needs_it_is_left_out(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    found = doctor.find_spec
    monkeypatch.setattr(doctor, "find_spec", lambda name: None if name == "hivemind" else found(name))

    examine(run, None, as_json=True)

    rows = _rows(capsys)
    assert rows["peers"]["found"] == "not asked, and base not compared"
    assert "base" not in rows


def test_an_install_for_the_demo_has_no_red_row_and_says_device_and_memory(
    monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    found = doctor.find_spec
    monkeypatch.setattr(doctor, "find_spec", lambda name: None if name == "hivemind" else found(name))

    assert examine(None, None, as_json=True) == 0

    rows = _rows(capsys)
    assert [row for row in rows.values() if row["state"] == "bad"] == []
    assert rows.keys() >= {"disk", "device", "memory", "swarm"}
    assert rows.keys().isdisjoint({"daemon", "file handles", "shared memory", "clock"})


def test_a_base_that_is_no_directory_is_wrong_and_fails(tmp_path: Path, capsys: Printed) -> None:
    assert examine(None, tmp_path / "nowhere", as_json=True) == 1

    assert _rows(capsys)["base"]["state"] == "bad"
