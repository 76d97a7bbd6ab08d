# SPDX-License-Identifier: Apache-2.0
"""Training jobs in the store of a town: their states, by legal moves only."""

import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from node0.errors import ConfigError, IllegalTransition, NotFound
from node0.finetune.jobs.job import LONGEST_REASON, Job, Transition
from node0.finetune.jobs.job_states import LEGAL_MOVES, JobState
from node0.store.job_table import (
    append_transition,
    find_job,
    insert_job,
    list_jobs,
    list_transitions,
    update_job,
)
from node0.store.town_store import open_town_store
from node0.store.transactions import Store, Transaction
from node0.town import Town

LOST = "its process ended without a word"


class JobStore:
    """Begin jobs, move them, find them. Reading a store that does not exist yet finds nothing."""

    def __init__(self, place: Store | Town, *, create: bool = True) -> None:
        """Use a store, or the one of a town."""
        self._store = open_town_store(place, create=create) if isinstance(place, Town) else place

    def begin(self, run_dir: Path, *, role: str, mode: str, bead_id: str | None = None) -> Job:
        """The job of a run directory, at `corpus-validating`: a new one, or the one of an earlier run.

        A job that seems to be at work had its process killed, and is marked failed first. The caller
        holds the run directory or knows that nobody does. Without `bead_id` an earlier one stays.

        Raises:
            ConfigError: `bead_id` is no id of a bead.
        """
        directory = run_dir.expanduser().resolve()
        with self._store.write(f"Begin job {directory.name}") as transaction:
            job = _find(transaction, job_id(directory))
            fresh = new_job(
                directory, role=role, mode=mode, bead_id=bead_id or (job.bead_id if job else None)
            )
            if job is None:
                insert_job(transaction, fresh.model_dump())
                _append(transaction, fresh, JobState.CORPUS_VALIDATING, "started")
                return fresh
            if JobState.CORPUS_VALIDATING not in LEGAL_MOVES[job.state]:
                _append(transaction, job, JobState.FAILED, LOST)
            named = {"role": role, "mode": mode, "bead_id": fresh.bead_id}
            update_job(transaction, job.id, named)
            _append(transaction, job, JobState.CORPUS_VALIDATING, "started again")
            return fresh.model_copy(update={"created_at": job.created_at})

    def move(self, name: str, state: JobState, *, reason: str = "") -> Job:
        """Bring a job from its state to `state`.

        Raises:
            IllegalTransition: that move is not one of `LEGAL_MOVES`; nothing has changed then.
            NotFound: there is no such job.
        """
        with self._store.write(f"Job {name} is {state}") as transaction:
            job = _require(transaction, name)
            if state not in LEGAL_MOVES[job.state]:
                legal = ", ".join(sorted(LEGAL_MOVES[job.state]))
                raise IllegalTransition(
                    f"job {job.id} is {job.state} and cannot become {state}; it can be: {legal}"
                )
            _append(transaction, job, state, reason)
            return _require(transaction, job.id)

    def of_run(self, run_dir: Path) -> Job | None:
        """The job of a run directory; None where no run in it was recorded."""
        with self._store.read() as transaction:
            return _find(transaction, job_id(run_dir.expanduser().resolve()))

    def require(self, name: str) -> Job:
        """The job with this id, or the newest one of this bead.

        Raises:
            NotFound: there is none.
        """
        with self._store.read() as transaction:
            return _require(transaction, name)

    def transitions(self, name: str) -> list[Transition]:
        """Every state that a job was in, oldest first.

        Raises:
            NotFound: there is no such job.
        """
        with self._store.read() as transaction:
            job = _require(transaction, name)
            return [Transition(**row) for row in list_transitions(transaction, job.id)]

    def list(self, state: JobState | None = None) -> list[Job]:
        """Every job, in one state or in any, the last one touched first."""
        with self._store.read() as transaction:
            return [Job(**row) for row in list_jobs(transaction, state)]

    def close(self) -> None:
        """Let go of the store."""
        self._store.close()


def job_id(run_dir: Path) -> str:
    """The id of a run directory's job; `run_dir` is absolute."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", run_dir.name)[:100] or "run"
    return f"{name}-{hashlib.sha256(str(run_dir).encode()).hexdigest()[:8]}"


def new_job(directory: Path, *, role: str, mode: str, bead_id: str | None) -> Job:
    """The job of a run that begins now; nothing is written.

    Raises:
        ConfigError: `bead_id` is no id of a bead.
    """
    now = _now()
    try:
        return Job(
            id=job_id(directory),
            run_dir=str(directory),
            bead_id=bead_id,
            role=role,
            mode=mode,
            state=JobState.CORPUS_VALIDATING,
            created_at=now,
            updated_at=now,
        )
    except ValidationError:
        raise ConfigError(f"bead {bead_id!r} is no id of a bead; write it as gt-abc12") from None


def _append(transaction: Transaction, job: Job, state: JobState, reason: str) -> None:
    now, line = _now(), " ".join(reason.split())[:LONGEST_REASON]
    append_transition(transaction, job.id, {"at": now, "state": state.value, "reason": line})
    update_job(transaction, job.id, {"state": state.value, "updated_at": now})


def _find(transaction: Transaction, name: str) -> Job | None:
    row = find_job(transaction, name)
    return None if row is None else Job(**row)


def _require(transaction: Transaction, name: str) -> Job:
    if (job := _find(transaction, name)) is None:
        raise NotFound(f"no job or bead {name!r}; see: node0 job list")
    return job


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
