# SPDX-License-Identifier: Apache-2.0
"""Step hooks: what a run tells its listeners as it begins, works and ends."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from node0.errors import Node0Error
from node0.finetune.jobs.job_states import JobState
from node0.loglines import JOB_FAILED

logger = logging.getLogger(__name__)


class StepHook:
    """Listens to nothing; override what is of interest. A hook that raises ends the run."""

    def started(self) -> None:
        """Nothing can be refused any more."""

    def entered(self, phase: JobState, reason: str = "") -> None:
        """The run is in `phase` from now on; told again where it already was."""


@contextmanager
def report_end(hook: StepHook, step: Callable[[], int]) -> Iterator[None]:
    """Tell `hook` when the block is interrupted or fails; `step` gives the steps done."""
    try:
        yield
    except KeyboardInterrupt:
        hook.entered(JobState.INTERRUPTED, f"interrupted at step {step()}")
        raise
    except Exception as error:  # whatever it is, listeners hear of it; it is raised again
        logger.error(JOB_FAILED.write(step()))
        # The text of an unexpected error may hold what is trained on.
        hook.entered(JobState.FAILED, str(error) if isinstance(error, Node0Error) else type(error).__name__)
        raise
