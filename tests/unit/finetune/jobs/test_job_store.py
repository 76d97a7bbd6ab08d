# SPDX-License-Identifier: Apache-2.0
from itertools import pairwise
from pathlib import Path

import pytest

from node0.errors import ConfigError, IllegalTransition, NotFound
from node0.finetune.jobs.job import Job
from node0.finetune.jobs.job_states import LEGAL_MOVES, JobState
from node0.finetune.jobs.job_store import LOST, JobStore, job_id
from node0.town import Town

S = JobState
PATHS = {
    S.CORPUS_VALIDATING: [],
    S.READY: [S.READY],
    S.TRAINING: [S.READY, S.TRAINING],
    S.SYNCING: [S.READY, S.SYNCING],
    S.CHECKPOINTING: [S.READY, S.TRAINING, S.CHECKPOINTING],
    S.EVALUATING: [S.READY, S.TRAINING, S.EVALUATING],
    S.DEGRADED: [S.READY, S.TRAINING, S.DEGRADED],
    S.DONE: [S.READY, S.TRAINING, S.DONE],
    S.FAILED: [S.FAILED],
    S.INTERRUPTED: [S.READY, S.TRAINING, S.INTERRUPTED],
}


@pytest.fixture
def jobs(tmp_path: Path) -> JobStore:
    return JobStore(Town(tmp_path))


def _begin(jobs: JobStore, run_dir: str = "runs/deacon", *, bead_id: str | None = None) -> Job:
    return jobs.begin(Path(run_dir), role="deacon", mode="sft", bead_id=bead_id)


def _bring(jobs: JobStore, state: JobState) -> Job:
    job = _begin(jobs)
    for step in PATHS[state]:
        job = jobs.move(job.id, step)
    return job


def _states(jobs: JobStore, name: str) -> list[JobState]:
    return [transition.state for transition in jobs.transitions(name)]


@pytest.mark.parametrize("state", S)
def test_an_illegal_move_is_refused_and_changes_nothing(jobs: JobStore, state: JobState) -> None:
    job = _bring(jobs, state)
    before = jobs.transitions(job.id)

    for wanted in set(S) - LEGAL_MOVES[state]:
        with pytest.raises(IllegalTransition, match=f"is {state} and cannot become {wanted}; it can be: "):
            jobs.move(job.id, wanted)
    assert jobs.require(job.id).state == state
    assert jobs.transitions(job.id) == before


@pytest.mark.parametrize("state", S)
def test_every_legal_move_is_made(jobs: JobStore, state: JobState) -> None:
    for wanted in LEGAL_MOVES[state]:
        job = _bring(jobs, state)

        assert jobs.move(job.id, wanted).state == wanted
        assert _states(jobs, job.id)[-2:] == [state, wanted]


def test_every_transition_is_a_row_with_time_and_reason(jobs: JobStore) -> None:
    job = _begin(jobs)
    jobs.move(job.id, S.READY, reason="60 steps\non 12 entries")
    jobs.move(job.id, S.FAILED, reason="x" * 5000)

    rows = jobs.transitions(job.id)

    assert [row.number for row in rows] == [1, 2, 3]
    assert rows[1].reason == "60 steps on 12 entries" and len(rows[2].reason) == 1024
    assert all(first.at <= second.at for first, second in pairwise(rows))
    assert jobs.require(job.id).updated_at == rows[-1].at


def test_a_run_directory_is_one_job_however_it_is_spelled(jobs: JobStore, tmp_path: Path) -> None:
    first = _begin(jobs, str(tmp_path / "runs" / "deacon"))
    jobs.move(first.id, S.FAILED, reason="no data")
    again = _begin(jobs, str(tmp_path / "runs" / "x" / ".." / "deacon"))

    assert again.id == first.id and again.created_at == first.created_at
    assert _states(jobs, first.id) == [S.CORPUS_VALIDATING, S.FAILED, S.CORPUS_VALIDATING]
    assert _begin(jobs, str(tmp_path / "other" / "deacon")).id != first.id
    assert len(jobs.list()) == 2


@pytest.mark.parametrize("state", [state for state in S if S.CORPUS_VALIDATING not in LEGAL_MOVES[state]])
def test_a_job_whose_process_was_killed_is_marked_failed_when_it_begins_again(
    jobs: JobStore, state: JobState
) -> None:
    job = _bring(jobs, state)

    _begin(jobs)

    rows = jobs.transitions(job.id)[-2:]
    assert [row.state for row in rows] == [S.FAILED, S.CORPUS_VALIDATING]
    assert rows[0].reason == LOST


def test_a_bead_finds_its_newest_job(jobs: JobStore) -> None:
    first, second = _begin(jobs, "runs/a", bead_id="gt-abc12"), _begin(jobs, "runs/b", bead_id="gt-abc12")
    jobs.move(second.id, S.READY)

    assert jobs.require("gt-abc12").id == second.id
    assert jobs.require(first.id).bead_id == "gt-abc12"
    jobs.move(first.id, S.FAILED)
    assert _begin(jobs, "runs/a").bead_id == "gt-abc12"
    with pytest.raises(NotFound, match="no job or bead 'gt-none'; see: node0 job list"):
        jobs.require("gt-none")


@pytest.mark.parametrize("bead", ["", "two words", "../x", "x" * 65])
def test_what_is_no_bead_is_refused(jobs: JobStore, bead: str) -> None:
    if bead:
        with pytest.raises(ConfigError, match="no id of a bead"):
            _begin(jobs, bead_id=bead)
        assert jobs.list() == []
    else:
        assert _begin(jobs, bead_id=bead).bead_id is None


def test_jobs_are_listed_by_state_the_last_one_touched_first(jobs: JobStore) -> None:
    names = [_begin(jobs, f"runs/{name}").id for name in "abc"]
    jobs.move(names[0], S.READY)

    assert jobs.list()[0].id == names[0]
    assert [job.id for job in jobs.list(S.READY)] == [names[0]]
    assert {job.id for job in jobs.list(S.CORPUS_VALIDATING)} == set(names[1:])


def test_a_job_is_named_after_its_directory() -> None:
    assert job_id(Path("/runs/deacon 1")).startswith("deacon-1-")
    assert job_id(Path("/")).startswith("run-")
    assert job_id(Path("/a/deacon")) != job_id(Path("/b/deacon"))


def test_a_store_that_does_not_exist_has_no_jobs(tmp_path: Path) -> None:
    assert JobStore(Town(tmp_path / "none"), create=False).list() == []
    assert list(tmp_path.iterdir()) == []
