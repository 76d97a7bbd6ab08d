# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from node0.commands.job import job_options as run_job
from node0.finetune.jobs.job_states import JobState
from node0.finetune.jobs.job_store import JobStore
from node0.town import Town


@pytest.fixture
def job(town_root: Path) -> str:
    jobs = JobStore(Town(town_root))
    job = jobs.begin(town_root / "deacon-1", role="deacon", mode="sft", bead_id="gt-abc12")
    jobs.move(job.id, JobState.FAILED, reason="no entry is left")
    jobs.close()
    return job.id


def test_a_job_is_shown_with_every_state_and_its_reason(
    town_root: Path, job: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in (job, "gt-abc12"):
        assert run_job.main(["show", name, "--town", str(town_root), "--json"]) == 0
        (row,) = json.loads(capsys.readouterr().out)

        assert (row["id"], row["state"], row["bead_id"], row["mode"]) == (job, "failed", "gt-abc12", "sft")
        assert [each["state"] for each in row["transitions"]] == ["corpus-validating", "failed"]
        assert row["transitions"][1]["reason"] == "no entry is left"


def test_people_get_tables(town_root: Path, job: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_job.main(["list", "--town", str(town_root)]) == 0
    listed = capsys.readouterr().out
    assert run_job.main(["show", job, "--town", str(town_root)]) == 0
    shown = capsys.readouterr().out

    assert job in listed and "gt-abc12" in listed and "failed" in listed
    assert "corpus-validating" in shown and "no entry is left" in shown


def test_jobs_are_listed_by_state(town_root: Path, job: str, capsys: pytest.CaptureFixture[str]) -> None:
    def listed(*arguments: str) -> list[str]:
        assert run_job.main(["list", "--json", "--town", str(town_root), *arguments]) == 0
        return [row["id"] for row in json.loads(capsys.readouterr().out)]

    assert listed() == listed("--state", "failed") == [job]
    assert listed("--state", "training") == []


def test_what_does_not_exist_is_refused_in_one_line(
    town_root: Path, job: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_job.main(["show", "none", "--town", str(town_root)]) == 1
    assert "no job or bead 'none'; see: node0 job list" in capsys.readouterr().err
    assert run_job.main(["list", "--state", "running", "--town", str(town_root)]) == 1
    assert "use one of corpus-validating, ready" in capsys.readouterr().err
    assert job


def test_a_town_without_jobs_says_how_one_comes(town_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_job.main(["list", "--town", str(town_root)]) == 0

    assert "no job was recorded" in capsys.readouterr().err
    assert not (town_root / ".models").exists()
