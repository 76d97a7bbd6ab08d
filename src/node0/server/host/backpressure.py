# SPDX-License-Identifier: Apache-2.0
"""Backpressure: how much may wait for work or for the wire before nothing more is read.

A stream that is not read fills the buffers between two peers, and then its sender waits.
"""

import asyncio

FRAMES = 64
NBYTES = 256 << 20


class Backpressure:
    """Counts frames between their arrival and the end of what is done with them. Lives on a loop."""

    def __init__(self, *, frames: int = FRAMES, nbytes: int = NBYTES) -> None:
        """At most so many frames, and about so many bytes."""
        self._most_frames, self._most_bytes = frames, nbytes
        self.frames = 0
        self.nbytes = 0
        self._has_room = asyncio.Event()
        self._has_room.set()

    def enter(self, nbytes: int) -> None:
        """A frame of this size waits from now on."""
        self._change(1, nbytes)

    def leave(self, nbytes: int) -> None:
        """It waits no more."""
        self._change(-1, -nbytes)

    async def wait_for_room(self) -> None:
        """Return when another frame may enter."""
        await self._has_room.wait()

    def _change(self, frames: int, nbytes: int) -> None:
        self.frames += frames
        self.nbytes += nbytes
        if self.frames < self._most_frames and self.nbytes < self._most_bytes:
            self._has_room.set()
        else:
            self._has_room.clear()
