# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from node0.commands.job.show_jobs import list_jobs, show_job
from node0.errors import ConfigError, NotFound
from node0.finetune.jobs.job_store import JobStore
from node0.town import Town

Printed = pytest.CaptureFixture[str]


@pytest.fixture
def job(town_root: Path) -> str:
    jobs = JobStore(Town(town_root))
    try:
        return jobs.begin(town_root / "deacon-1", role="deacon", mode="sft", bead_id=None).id
    finally:
        jobs.close()


def test_a_job_without_a_bead_has_a_dash_in_the_table_and_null_in_json(
    town_root: Path, job: str, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    list_jobs(town_root, state=None, as_json=False)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if job in line]
    list_jobs(town_root, state=None, as_json=True)

    assert " - " in line
    assert json.loads(capsys.readouterr().out)[0]["bead_id"] is None


def test_a_state_in_which_no_job_is_says_so_and_one_that_is_none_is_refused(
    town_root: Path, job: str, capsys: Printed
) -> None:
    list_jobs(town_root, state="training", as_json=False)
    assert capsys.readouterr().err.startswith("no job is training;")

    with pytest.raises(ConfigError, match="no state 'resting' of a job; use one of"):
        list_jobs(town_root, state="resting", as_json=False)
    assert job


def test_every_state_of_a_job_is_shown(town_root: Path, job: str, capsys: Printed) -> None:
    show_job(job, town_root, as_json=True)

    (shown,) = json.loads(capsys.readouterr().out)
    assert [each["state"] for each in shown["transitions"]] == ["corpus-validating"]
    with pytest.raises(NotFound):
        show_job("nothing", town_root, as_json=True)
