# SPDX-License-Identifier: Apache-2.0
"""Record a run's states in its job; a store that fails costs the record, not the run."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from node0.errors import ConfigError, Node0Error, NotFound, RunInUse, StoreUnavailable
from node0.finetune.jobs.job import Job
from node0.finetune.jobs.job_states import JobState
from node0.finetune.jobs.job_store import JobStore
from node0.town import Town

logger = logging.getLogger(__name__)

UNSTARTED = (JobState.CORPUS_VALIDATING, JobState.READY)


class JobRecorder:
    """Takes the states that a trainer goes through."""

    def __init__(self, jobs: JobStore, job: Job) -> None:
        self._jobs, self._id = jobs, job.id
        self.state = job.state

    def entered(self, state: JobState, reason: str = "") -> None:
        """Write that the job is in `state` now; nothing where it was before."""
        if state == self.state:
            return
        self.state = state
        try:
            self._jobs.move(self._id, state, reason=reason)
        except Node0Error as error:
            logger.warning("job state %s was not written: %s", state, error)


@contextmanager
def job_of_run(  # what a job is, and whether there is one
    run_dir: Path, *, corpus: Path, role: str, mode: str, bead_id: str | None, root: Path | None, asked: bool
) -> Iterator[Callable[[JobState, str], None]]:
    """Yield what is to be told of each state of a run.

    A run is a job of the town that its directory or its corpus lies in, or of the one at `root` or
    found from here where that is `asked` for. Any other run leaves no record, and so does one whose
    town cannot be written, unless it was asked for.

    Raises:
        NotFound: asked for, and there is no town.
        ConfigError: asked for, and the store cannot be written; or `bead_id` is no id of a bead.
    """
    town = Town.locate(root) if asked else _town_around(run_dir, corpus)
    if town is None:
        yield lambda state, reason: None
        return
    try:
        jobs = JobStore(town)
        job = jobs.begin(run_dir, role=role, mode=mode, bead_id=bead_id)
    except (ConfigError, StoreUnavailable) as error:
        if asked:
            raise
        logger.warning("this run is not listed among the town's jobs: %s", error)
        yield lambda state, reason: None
        return
    with recording(jobs, job) as recorder:
        yield recorder.entered


@contextmanager
def recording(jobs: JobStore, job: Job) -> Iterator[JobRecorder]:
    """Yield the recorder of a job; a run that fails before it trains is written down too. Closes `jobs`."""
    recorder = JobRecorder(jobs, job)
    try:
        yield recorder
    except RunInUse:
        # The job is that of the other process.
        raise
    except Exception as error:  # whatever it is, the job says so; it is raised again
        if recorder.state in UNSTARTED:
            recorder.entered(JobState.FAILED, _why(error))
        raise
    finally:
        jobs.close()


def _town_around(*places: Path) -> Town | None:
    try:
        town = Town.locate()
    except NotFound:
        return None
    root = town.root.resolve()
    return town if any(place.resolve().is_relative_to(root) for place in places) else None


def _why(error: Exception) -> str:
    # The text of an unexpected error may hold what was trained on.
    return str(error) if isinstance(error, Node0Error) else type(error).__name__
