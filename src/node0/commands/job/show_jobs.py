# SPDX-License-Identifier: Apache-2.0
"""List the training runs of a town, and show the states of one, as tables or JSON."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from node0 import console
from node0.errors import ConfigError
from node0.finetune.jobs.job import Job
from node0.finetune.jobs.job_states import AT_WORK, JobState
from node0.finetune.jobs.job_store import JobStore
from node0.finetune.run_dir import RunDirectory
from node0.town import Town


def list_jobs(town: Path | None, *, state: str | None, as_json: bool) -> None:
    """Print every job, or those in one state, the last one touched first."""
    with open_jobs(town) as jobs:
        found = jobs.list(_state(state))
    if as_json:
        console.emit([job_fields(job) for job in found], as_json=True)
    elif found:
        console.emit([job_row(job) for job in found], as_json=False)
    else:
        in_state = f" is {state}" if state else " was recorded"
        console.note(f"no job{in_state}; a run below the town, or with --bead-id, becomes one")


def show_job(name: str, town: Path | None, *, as_json: bool) -> None:
    """Print one job, by its id or its bead, and every state that it was in."""
    with open_jobs(town) as jobs:
        job = jobs.require(name)
        transitions = [transition.model_dump(mode="json") for transition in jobs.transitions(job.id)]
    fields = job_fields(job)
    if as_json:
        console.emit([fields | {"transitions": transitions}], as_json=True)
        return
    rows = [{"field": field, "value": "-" if value is None else value} for field, value in fields.items()]
    console.emit(rows, as_json=False, title=job.id)
    console.emit(transitions, as_json=False, title="states")


@contextmanager
def open_jobs(town: Path | None) -> Iterator[JobStore]:
    """The jobs of a town, for one command."""
    jobs = JobStore(Town.locate(town), create=False)
    try:
        yield jobs
    finally:
        jobs.close()


def _state(name: str | None) -> JobState | None:
    if name is None:
        return None
    if name not in list(JobState):
        raise ConfigError(f"no state {name!r} of a job; use one of {', '.join(JobState)}")
    return JobState(name)


def job_fields(job: Job) -> dict[str, Any]:
    """A job, with whether the process that it says is at work lives: `running`, `dead` or None."""
    at_work = job.state in AT_WORK
    return {
        **job.model_dump(mode="json"),
        "process": RunDirectory(Path(job.run_dir)).process if at_work else None,
    }


def _state_of(job: Job) -> str:
    """The state as a person reads it: one that its process died in is no longer its state."""
    return f"dead in {job.state}" if job_fields(job)["process"] == "dead" else job.state.value


def job_row(job: Job) -> dict[str, Any]:
    """What the table says of a job."""
    return {
        "JOB": job.id,
        "ROLE": job.role,
        "MODE": job.mode,
        "BEAD": job.bead_id or "-",
        "STATE": _state_of(job),
        "SINCE": job.updated_at[:19],
    }
