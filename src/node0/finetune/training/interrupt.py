# SPDX-License-Identifier: Apache-2.0
"""Handle Ctrl-C and SIGTERM: let the step finish, then end the run."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(slots=True)
class Interrupt:
    """Whether someone asked the run to stop."""

    requested: bool = False

    def request(self, number: int, frame: FrameType | None) -> None:
        """Note the first signal; a Ctrl-C after it ends the run at once.

        SIGTERM only ever asks: the kernel may send it once for each thread of a parent that dies.
        """
        del frame
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.requested = True


@contextmanager
def watch_signals() -> Iterator[Interrupt]:
    """Note SIGINT and SIGTERM instead of dying of them. Outside the main thread nothing is noted."""
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    before = {number: signal.signal(number, interrupt.request) for number in SIGNALS}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
