# SPDX-License-Identifier: Apache-2.0
"""A stream of frames between two peers."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from node0.swarm.transport.codec import Codec
from node0.swarm.transport.frames import MAX_PAYLOAD, Frame, encode, read_frame

CHUNK = 1 << 18
"Bytes handed to the transport at a time, so that a long frame does not fill its buffer."

SLOWEST = 1 << 18
"Bytes a second that a link is trusted to carry: what is large may take longer than what is small."


def time_for(nbytes: int, deadline: float) -> float:
    """Seconds for something of so many bytes, where a short message has `deadline`."""
    return deadline + nbytes / SLOWEST


class Stream:
    """Frames both ways. One task at a time may receive; any number may send."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, remote: str) -> None:
        self.remote = remote
        self._reader, self._writer = reader, writer
        self._sending = asyncio.Lock()
        self.sent_bytes = 0

    async def send(self, frame: Frame, *, codec: Codec = "float32") -> None:
        """Write a frame whole; waits while the peer does not read.

        Raises:
            OSError: the stream is broken.
        """
        pieces = encode(frame, codec=codec)
        async with self._sending:
            try:
                await self._write(pieces)
            except BaseException:
                # What would come next is read as the rest of this frame.
                self.close()
                raise

    async def receive(self, *, max_payload: int = MAX_PAYLOAD, silence: float | None = None) -> Frame | None:
        """The next frame, or None where the stream ended.

        Raises:
            FrameRefused: what came is no valid frame, is larger than `max_payload` bytes, or stopped in its
                middle for `silence` seconds; the stream cannot go on.
        """
        try:
            return await read_frame(self._reader, max_payload=max_payload, silence=silence)
        except (asyncio.IncompleteReadError, OSError):
            return None

    def close(self) -> None:
        """End the stream; the peer reads its end."""
        with suppress(OSError, RuntimeError):
            self._writer.close()

    async def _write(self, pieces: Sequence[bytes | memoryview]) -> None:
        for piece in pieces:
            for start in range(0, len(piece), CHUNK):
                chunk = piece[start : start + CHUNK]
                self._writer.write(chunk)
                self.sent_bytes += len(chunk)
                await self._writer.drain()
