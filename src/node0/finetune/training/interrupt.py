# SPDX-License-Identifier: Apache-2.0
"""Handle Ctrl-C and SIGTERM: say what happens, let the step finish, then end the run."""

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from node0 import console
from node0.finetune.run_dir import RunDirectory
from node0.step_directories import step_numbers

logger = logging.getLogger(__name__)

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(slots=True)
class Interrupt:
    """Whether someone asked the run to stop."""

    requested: bool = False
    hurried: bool = False
    "Whether the run is left in the middle of a step."

    step: Callable[[], int] | None = None
    "The step that is being made."

    on_request: Callable[[], None] = lambda: None
    "Called by the first signal; must not block."

    def request(self, number: int, frame: FrameType | None) -> None:
        """Note the first signal; a Ctrl-C after it ends the run at once.

        SIGTERM only ever asks: the kernel may send it once for each thread of a parent that dies.
        """
        del frame
        if self.requested and number == signal.SIGINT:
            self.hurried = True
            raise KeyboardInterrupt
        if not self.requested:
            self.requested = True
            self._announce(number)
            self.on_request()

    def _announce(self, number: int) -> None:
        if self.step is None:
            return
        again = "; again to quit without" if number == signal.SIGINT else ""
        console.note_from_signal(f"finishing step {self.step()}, then saving{again}")


@contextmanager
def watch_signals(
    step: Callable[[], int] | None = None, *, on_request: Callable[[], None] = lambda: None
) -> Iterator[Interrupt]:
    """Note SIGINT and SIGTERM instead of dying of them. Outside the main thread nothing is noted.

    step: the number of the step that is being made, for what is said at once.
    on_request: called by the first signal, to end what the step waits for.
    """
    interrupt = Interrupt(step=step, on_request=on_request)
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    before = {number: signal.signal(number, interrupt.request) for number in SIGNALS}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def telling_what_is_kept(interrupt: Interrupt, run: RunDirectory) -> Iterator[None]:
    """Say which step can be gone on from when the block is left in a hurry."""
    try:
        yield
    except KeyboardInterrupt:
        if interrupt.hurried:
            logger.warning("left without saving; %s", what_is_kept(run))
        raise


def what_is_kept(run: RunDirectory) -> str:
    """Which step the run can be gone on from."""
    steps = step_numbers(run.training_state)
    return f"step {steps[-1]} is kept; run again to go on from it" if steps else "no step is kept"
