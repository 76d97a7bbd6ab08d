# SPDX-License-Identifier: Apache-2.0
"""A SIGTERM handler: it ends the start of a command at once, and later its wait."""

import os
import signal
from queue import SimpleQueue
from types import FrameType

from node0 import console
from node0.swarm.transport.guard import die_with_parent


class StopSignal:
    """Takes SIGTERM from now on; with `parent`, it also comes when that process ends.

    The kernel may send that once for each thread of the parent, so that one comes while another is handled:
    nothing here takes a lock, and `SimpleQueue.put` may be called within itself.
    """

    def __init__(self, parent: int | None = None) -> None:
        self._came: SimpleQueue[None] = SimpleQueue()
        self._waiting = False
        signal.signal(signal.SIGTERM, self._ask)
        if parent is not None:
            die_with_parent(signal.SIGTERM)
            if os.getppid() != parent:
                console.leave(0)

    def wait(self) -> None:
        """Until it comes, or `end` is called."""
        self._waiting = True
        self._came.get()

    def end(self) -> None:
        """End the wait without a signal. May be called from any thread."""
        self._came.put(None)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._came.put(None)
        if not self._waiting:
            console.leave(0)
