# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from node0.commands.doctor.doctor_options import main
from node0.swarm.run.create import create_run
from node0.swarm.run.layout import lay_out
from node0.swarm.run.swarm_run import SwarmRun


def test_a_machine_alone_is_checked_and_the_clock_is_said_to_be_unknown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--json"]) == 0

    rows = {row["check"]: row for row in json.loads(capsys.readouterr().out)}
    assert {"python", "packages", "daemon", "file handles", "temporary space"} <= set(rows)
    assert {"disk", "device", "memory"} <= set(rows)
    assert rows["clock"]["state"] == "note"


def test_a_run_that_nobody_has_started_is_fine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    slots = lay_out(2, replicas={}, spares=1, hosts={})
    create_run(tmp_path / "run", slots, common=SwarmRun(num_stages=2), settings="")

    assert main(["--run", str(tmp_path / "run")]) == 0

    shown = capsys.readouterr().out
    for check in ("key spare-0", "port of tail-1", "sockets", "base", "clock"):
        assert check in shown


def test_a_run_that_cannot_be_read_is_one_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run.json").write_text('{"num_stages": 0}')

    assert main(["--run", str(tmp_path), "--json"]) == 1

    (row,) = [row for row in json.loads(capsys.readouterr().out) if row["state"] == "bad"]
    assert row["check"] == "run.json"
    assert "setting 'num_stages' is 0" in row["found"]


@pytest.mark.parametrize("with_run", [False, True])
def test_a_base_that_is_named_is_looked_at_with_and_without_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], with_run: bool
) -> None:
    create_run(
        tmp_path / "run",
        lay_out(2, replicas={}, spares=0, hosts={}),
        common=SwarmRun(num_stages=2),
        settings="",
    )
    (tmp_path / "empty").mkdir()
    run = ["--run", str(tmp_path / "run")] if with_run else []

    for name, said in (("nowhere", "is no directory"), ("empty", "has no config.json")):
        assert main([*run, "--base-model", str(tmp_path / name), "--json"]) == 1
        (row,) = [row for row in json.loads(capsys.readouterr().out) if row["state"] == "bad"]
        assert (row["check"], said in row["found"]) == ("base", True)
