# SPDX-License-Identifier: Apache-2.0
"""A SIGTERM handler: it ends the start of a command at once, and later its wait."""

import os
import signal
import threading
from types import FrameType

from node0 import console
from node0.swarm.transport.guard import die_with_parent


class StopSignal:
    """Takes SIGTERM from now on; with `parent`, it also comes when that process ends."""

    def __init__(self, parent: int | None = None) -> None:
        self._came, self._waiting = threading.Event(), False
        signal.signal(signal.SIGTERM, self._ask)
        if parent is not None:
            die_with_parent(signal.SIGTERM)
            if os.getppid() != parent:
                console.leave(0)

    def wait(self) -> None:
        """Until it comes, or `end` is called."""
        self._waiting = True
        self._came.wait()

    def end(self) -> None:
        """End the wait without a signal. May be called from any thread."""
        self._came.set()

    def _ask(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._came.set()
        if not self._waiting:
            console.leave(0)
