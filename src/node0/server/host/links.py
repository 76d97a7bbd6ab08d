# SPDX-License-Identifier: Apache-2.0
"""Push frames to other peers: one stream to each, opened at first use, in the order of the calls."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from node0.errors import RetriableError
from node0.server.host.backpressure import Backpressure
from node0.swarm.peer.peer import Peer
from node0.swarm.transport.codec import Codec
from node0.swarm.transport.frames import Frame
from node0.swarm.transport.quoting import quoted
from node0.swarm.transport.stream import Stream

logger = logging.getLogger(__name__)

PUSH = "node0.push/1"
"Stage to stage: activations and gradients, no replies."

Lost = Callable[[str, str], None]
"Called on the loop with a peer that could not be sent to, and why."


class Links:
    """Outgoing streams of one stage. All methods but `set_addresses` and `push` run on the peer's loop."""

    def __init__(self, peer: Peer, *, codec: Codec, deadline: float, lost: Lost) -> None:
        """`deadline`: seconds that one frame may take; `lost` hears of a peer that took none."""
        self._peer, self._codec, self._deadline, self._lost = peer, codec, deadline, lost
        self._queues: dict[str, asyncio.Queue[Frame | None]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._addresses: Mapping[str, Sequence[str]] = {}
        self.waiting = Backpressure()
        "What is on its way up and not sent yet."

        self.sent_bytes = 0

    def set_addresses(self, addresses: Mapping[str, Sequence[str]]) -> None:
        """Take these for the peers that may be sent to, in place of those before. Called from any thread."""
        self._addresses = {remote: [str(address) for address in at] for remote, at in addresses.items()}

    def push(self, remote: str, frame: Frame) -> None:
        """Send a frame when its turn comes. Called from any thread.

        Raises:
            RetriableError: `remote` is none of the peers that may be sent to.
        """
        if remote not in self._addresses:
            raise RetriableError(f"peer {quoted(remote)} is no neighbour; its trainer must name it first")
        self._peer.loop.call_soon_threadsafe(self._enqueue, remote, frame)

    async def close(self) -> None:
        """Drop all streams and what waits for them."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # A task that never ran ended without its last words.
        self._tasks.clear()
        self._queues.clear()

    def _enqueue(self, remote: str, frame: Frame) -> None:
        if remote not in self._tasks:
            self._queues[remote] = asyncio.Queue()
            self._tasks[remote] = asyncio.create_task(self._drain(remote, self._queues[remote]))
        self._queues[remote].put_nowait(frame)
        self._count(frame, self.waiting.enter)

    async def _drain(self, remote: str, frames: "asyncio.Queue[Frame | None]") -> None:
        stream: Stream | None = None
        try:
            async with asyncio.timeout(self._deadline):
                stream = await self._peer.open(remote, PUSH, self._addresses.get(remote, ()))
            await self._send(stream, frames)
            self._lost(remote, "it closed the stream")
        except (TimeoutError, OSError, RetriableError) as error:
            self._lost(remote, " ".join(str(error).split()) or f"no answer within {self._deadline} s")
        finally:
            if stream is not None:
                stream.close()
            del self._queues[remote], self._tasks[remote]
            while not frames.empty():
                self._count(frames.get_nowait(), self.waiting.leave)

    async def _send(self, stream: Stream, frames: "asyncio.Queue[Frame | None]") -> None:
        """Send what comes until the peer ends the stream."""
        # Nothing is ever sent back: whatever comes is the end.
        ended = asyncio.create_task(stream.receive())
        ended.add_done_callback(lambda _: frames.put_nowait(None))
        try:
            while (frame := await frames.get()) is not None:
                before = stream.sent_bytes
                try:
                    async with asyncio.timeout(self._deadline):
                        await stream.send(frame, codec=self._codec)
                finally:
                    self._count(frame, self.waiting.leave)
                self.sent_bytes += stream.sent_bytes - before
        finally:
            ended.cancel()
            with suppress(asyncio.CancelledError, RetriableError):
                await ended

    def _count(self, frame: Frame | None, change: Callable[[int], None]) -> None:
        # Gradients are what makes room elsewhere: nothing waits for room for them.
        if frame is not None and frame.kind != "gradient":
            change(frame.nbytes)
