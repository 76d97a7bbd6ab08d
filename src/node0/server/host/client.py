# SPDX-License-Identifier: Apache-2.0
"""A client of a stage host: its control stream, and the frames queued for it."""

import asyncio
from contextlib import suppress

from node0.errors import FrameRefused
from node0.swarm.transport.frames import Frame
from node0.swarm.transport.stream import Stream, time_for


class Client:
    """A trainer, a generator or an observer. Two are the same only where they are one object."""

    def __init__(self, stream: Stream, loop: asyncio.AbstractEventLoop, *, deadline: float) -> None:
        """`deadline`: seconds that it may take to read what it is sent; more for what is large."""
        self.stream, self._loop, self._deadline = stream, loop, deadline
        self._outbox: asyncio.Queue[Frame] = asyncio.Queue()

    def report(self, frame: Frame) -> None:
        """Send a frame when its turn comes. Called from any thread."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._outbox.put_nowait, frame)

    async def reply(self, frame: Frame) -> None:
        """Send a frame now.

        Raises:
            FrameRefused: the client does not read.
        """
        try:
            async with asyncio.timeout(time_for(frame.nbytes, self._deadline)):
                await self.stream.send(frame)
        except TimeoutError:
            raise FrameRefused(f"it has not read its replies for {self._deadline:g} s") from None

    async def drain(self) -> None:
        """Send what is reported until the stream breaks, or is not read: then it ends."""
        try:
            with suppress(OSError, FrameRefused):
                while True:
                    await self.reply(await self._outbox.get())
        finally:
            # Nothing would be taken out any more of what its requests put in.
            self.stream.close()
