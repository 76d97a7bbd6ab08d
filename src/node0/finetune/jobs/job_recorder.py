# SPDX-License-Identifier: Apache-2.0
"""Record a run's states in its job; a store that fails costs the record, not the run."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from node0.errors import ConfigError, Node0Error, NotFound, RunInUse, StoreUnavailable
from node0.finetune.jobs.job import Job
from node0.finetune.jobs.job_states import JobState
from node0.finetune.jobs.job_store import JobStore, new_job
from node0.town import Town

logger = logging.getLogger(__name__)

UNSTARTED = (JobState.CORPUS_VALIDATING, JobState.READY)

MAY_GO_ON = (JobState.DONE, JobState.READY, JobState.INTERRUPTED)
"What a job keeps until a new start of it has got as far as training."


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
            self._write(state, reason)
        except Node0Error as error:
            logger.warning("job state %s was not written: %s", state, error)

    def _write(self, state: JobState, reason: str) -> None:
        self._jobs.move(self._id, state, reason=reason)


class LateRecorder(JobRecorder):
    """Of a job that ended well or waits: a start of it that is refused leaves no trace."""

    def __init__(self, jobs: JobStore, job: Job, begin: Callable[[], Job]) -> None:
        super().__init__(jobs, job)
        self.state, self._begin = JobState.CORPUS_VALIDATING, begin
        self._waiting: list[tuple[JobState, str]] | None = []

    def _write(self, state: JobState, reason: str) -> None:
        if self._waiting is None:
            super()._write(state, reason)
            return
        if state in UNSTARTED:
            self._waiting.append((state, reason))
        elif state not in (JobState.FAILED, JobState.INTERRUPTED):
            waiting, self._waiting = self._waiting, None
            self._begin()
            for move in [*waiting, (state, reason)]:
                super()._write(*move)


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
        new_job(run_dir, role=role, mode=mode, bead_id=bead_id)
        jobs = JobStore(town)
        recorder = _recorder(
            jobs, run_dir, lambda: jobs.begin(run_dir, role=role, mode=mode, bead_id=bead_id)
        )
    except (ConfigError, StoreUnavailable) as error:
        if asked:
            raise
        logger.warning("this run is not listed among the town's jobs: %s", error)
        yield lambda state, reason: None
        return
    with recording(jobs, recorder):
        yield recorder.entered


def _recorder(jobs: JobStore, run_dir: Path, begin: Callable[[], Job]) -> JobRecorder:
    """The recorder of the job of a run directory, begun now unless an earlier run in it may go on."""
    earlier = jobs.of_run(run_dir)
    if earlier is not None and earlier.state in MAY_GO_ON:
        return LateRecorder(jobs, earlier, begin)
    return JobRecorder(jobs, begin())


@contextmanager
def recording(jobs: JobStore, recorder: JobRecorder) -> Iterator[None]:
    """Write down also a run that fails or is interrupted before it trains. Closes `jobs`."""
    try:
        yield
    except RunInUse:
        # The job is that of the other process.
        raise
    except Exception as error:  # whatever it is, the job says so; it is raised again
        if recorder.state in UNSTARTED:
            recorder.entered(JobState.FAILED, _why(error))
        raise
    except KeyboardInterrupt:
        if recorder.state in UNSTARTED:
            recorder.entered(JobState.INTERRUPTED, "interrupted before it trained")
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
