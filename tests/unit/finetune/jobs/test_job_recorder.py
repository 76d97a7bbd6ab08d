# SPDX-License-Identifier: Apache-2.0
import logging
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from node0.errors import BadCorpus, ConfigError, NotFound, RunInUse
from node0.finetune.jobs.job import Transition
from node0.finetune.jobs.job_recorder import job_of_run
from node0.finetune.jobs.job_states import JobState
from node0.finetune.jobs.job_store import JobStore
from node0.town import Town


def _run(
    run_dir: Path,
    *,
    corpus: Path | None = None,
    bead_id: str | None = None,
    town: Path | None = None,
    asked: bool = False,
) -> AbstractContextManager[Callable[[str, str], None]]:
    return job_of_run(
        run_dir,
        corpus=corpus or Path("/elsewhere"),
        role="deacon",
        mode="sft",
        bead_id=bead_id,
        root=town,
        asked=asked,
    )


def _rows(root: Path) -> list[Transition]:
    jobs = JobStore(Town(root), create=False)
    try:
        return [row for job in jobs.list() for row in jobs.transitions(job.id)]
    finally:
        jobs.close()


def _states(root: Path) -> list[JobState]:
    return [row.state for row in _rows(root)]


def test_states_become_rows_and_repeated_ones_do_not(town_root: Path) -> None:
    with _run(town_root / "run", town=town_root, asked=True) as entered:
        for state in map(JobState, ("ready", "training", "training", "checkpointing", "training", "done")):
            entered(state, f"because of {state}")

    assert _states(town_root) == [
        "corpus-validating",
        "ready",
        "training",
        "checkpointing",
        "training",
        "done",
    ]
    assert _rows(town_root)[-1].reason == "because of done"


def test_a_run_that_fails_before_it_trains_is_a_failed_job(town_root: Path) -> None:
    with pytest.raises(BadCorpus), _run(town_root / "run", town=town_root, asked=True):
        raise BadCorpus("no entry is left; look at select")

    assert _states(town_root) == ["corpus-validating", "failed"]
    assert _rows(town_root)[-1].reason == "no entry is left; look at select"


def test_the_text_of_an_unexpected_error_is_not_kept(town_root: Path) -> None:
    with pytest.raises(ValueError, match="secret"), _run(town_root / "run", town=town_root, asked=True):
        raise ValueError("secret prompt")

    assert _rows(town_root)[-1].reason == "ValueError"


def test_a_run_that_another_process_holds_leaves_the_job_alone(town_root: Path) -> None:
    with pytest.raises(RunInUse), _run(town_root / "run", town=town_root, asked=True) as entered:
        entered(JobState.READY, "")
        raise RunInUse("held")

    assert _states(town_root) == ["corpus-validating", "ready"]


def test_what_ended_while_training_is_the_trainers_to_tell(town_root: Path) -> None:
    with pytest.raises(BadCorpus), _run(town_root / "run", town=town_root, asked=True) as entered:
        for state in map(JobState, ("ready", "training", "failed")):
            entered(state, state)
        raise BadCorpus("later")

    assert [row.reason for row in _rows(town_root)][-2:] == ["training", "failed"]


def test_a_run_in_the_town_is_its_job_and_a_run_elsewhere_is_not(
    town_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(town_root)
    with _run(tmp_path / "elsewhere"):
        assert _states(town_root) == []
    with _run(town_root / ".checkpoints" / "a"), _run(tmp_path / "b", corpus=town_root / ".corpus"):
        pass

    assert _states(town_root) == ["corpus-validating"] * 2


def test_without_a_town_nothing_is_written_unless_it_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with _run(tmp_path / "run") as entered:
        entered(JobState.READY, "")

    assert list(tmp_path.iterdir()) == []
    with pytest.raises(NotFound, match="no town found"), _run(tmp_path / "run", asked=True):
        pass


def test_a_store_that_cannot_be_used_stops_only_a_run_that_asked_for_it(
    town_root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(town_root)
    (town_root / ".models").write_text("a file, not a directory")

    with caplog.at_level(logging.WARNING), _run(town_root / "run") as entered:
        entered(JobState.READY, "")
    assert "not listed among the town's jobs" in caplog.text
    with pytest.raises(ConfigError), _run(town_root / "run", town=town_root, asked=True):
        pass


@pytest.mark.parametrize(
    "harm", ["UPDATE training_jobs SET state = 'done'", "ALTER TABLE training_jobs RENAME TO other"]
)
def test_a_store_that_fails_later_costs_the_record_and_not_the_run(
    harm: str, town_root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with _run(town_root / "run", town=town_root, asked=True) as entered:
        entered(JobState.READY, "")
        other = sqlite3.connect(Town(town_root).store_file)
        other.execute(harm)
        other.commit()
        entered(JobState.TRAINING, "")
        other.execute(harm.replace("training_jobs RENAME TO other", "other RENAME TO training_jobs"))
        other.close()

    assert "job state training was not written" in caplog.text
    assert _states(town_root) == ["corpus-validating", "ready"]


@pytest.mark.parametrize("ended", ["done", "ready", "interrupted"])
def test_a_refused_start_of_a_job_that_may_go_on_leaves_no_trace(town_root: Path, ended: str) -> None:
    with _run(town_root / "run", town=town_root, asked=True) as entered:
        for state in map(JobState, ("ready", "training", ended)):
            entered(state, ended)
    before = _rows(town_root)

    with pytest.raises(BadCorpus), _run(town_root / "run", town=town_root, asked=True) as entered:
        entered(JobState.READY, "planned")
        entered(JobState.FAILED, "no entry is left")
        raise BadCorpus("no entry is left")

    assert _rows(town_root) == before


def test_a_start_that_trains_is_written_with_what_came_before(town_root: Path) -> None:
    for last in ("done", "failed"):
        with _run(town_root / "run", town=town_root, asked=True) as entered:
            for state in map(JobState, ("ready", "training", last)):
                entered(state, f"because of {state}")

    once = ["corpus-validating", "ready", "training"]
    assert _states(town_root) == [*once, "done", *once, "failed"]
    assert _rows(town_root)[5].reason == "because of ready"


def test_a_bead_that_is_none_is_refused_before_a_second_start_too(town_root: Path) -> None:
    with _run(town_root / "run", town=town_root, asked=True) as entered:
        for state in map(JobState, ("ready", "training", "done")):
            entered(state, "")

    with (
        pytest.raises(ConfigError, match="no id of a bead"),
        _run(town_root / "run", town=town_root, asked=True, bead_id="no bead"),
    ):
        pass


def test_an_interruption_before_training_is_no_death(town_root: Path) -> None:
    with pytest.raises(KeyboardInterrupt), _run(town_root / "run", town=town_root, asked=True):
        raise KeyboardInterrupt

    assert _states(town_root) == ["corpus-validating", "interrupted"]
