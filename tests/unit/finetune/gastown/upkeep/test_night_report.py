# SPDX-License-Identifier: Apache-2.0
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from node0.finetune.gastown.upkeep.night_report import KEPT, NightReport, NightStep, keep_report, night_check
from node0.town import Town


def report(*steps: NightStep, days: int = 0) -> NightReport:
    at = datetime(2026, 3, 1, 3, tzinfo=UTC) + timedelta(days=days)
    return NightReport(at=at.isoformat(timespec="seconds"), steps=list(steps))


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return Town(tmp_path)


def test_no_night_is_no_fault(town: Town) -> None:
    assert night_check(town).state == "note"


def test_the_last_night_is_told(town: Town) -> None:
    keep_report(town, report(NightStep(role="witness", step="train", why="x", code=1), days=0))
    keep_report(town, report(NightStep(role="deacon", step="evaluate", why="x"), days=1))

    found = night_check(town)
    assert (found.state, found.found) == ("ok", "2026-03-02T03:00: evaluate deacon")


def test_a_step_that_failed_is_bad_and_the_no_of_the_gate_is_not(town: Town) -> None:
    refused = NightStep(role="deacon", step="deploy", why="x", code=3, result="score too low")
    keep_report(town, report(refused))
    assert night_check(town).state == "ok"

    keep_report(
        town, report(refused, NightStep(role="a", step="train", why="", code=1, result="no room"), days=1)
    )
    found = night_check(town)
    assert found.state == "bad" and "train failed: no room" in found.found


def test_a_report_that_is_none_is_told(town: Town) -> None:
    path = keep_report(town, report())
    path.write_text("{")

    assert night_check(town).state == "bad"


def test_old_reports_go_and_only_their_owner_reads_them(town: Town) -> None:
    paths = [keep_report(town, report(days=number)) for number in range(KEPT + 3)]

    assert sorted(town.nightly_reports.iterdir()) == paths[3:]
    assert town.nightly_reports.stat().st_mode & 0o077 == 0 and paths[-1].stat().st_mode & 0o077 == 0
