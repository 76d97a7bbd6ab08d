# SPDX-License-Identifier: Apache-2.0
"""Loopback ports that lead to other ports over a slow, far line; the kernel's netem is not on each machine.

A relay stands for the line of one machine: what goes to it and what comes from it are delayed by half
the round trip each, and each direction carries so many bytes a second, over all its connections together.
"""

import asyncio
import threading
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

CHUNK = 1 << 14
SAMPLE_SECONDS = 2.0


@dataclass(frozen=True)
class Link:
    """A line between two sites."""

    megabits: float
    round_trip: float
    "Seconds."

    @property
    def bytes_per_second(self) -> float:
        """Each way."""
        return self.megabits * 1e6 / 8

    def __str__(self) -> str:
        return f"{self.megabits:g} Mbit/s, {self.round_trip * 1e3:g} ms"


class _Direction:
    """One direction of a machine's line."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._free_at = 0.0

    def send(self, size: int) -> tuple[float, float]:
        """When so many bytes will be at the other end, and how long the sender has to wait now."""
        now = time.monotonic()
        self._free_at = max(self._free_at, now) + size / self._link.bytes_per_second
        # A line's buffer holds about one round trip; then the sender waits.
        return self._free_at + self._link.round_trip / 2, self._free_at - now - self._link.round_trip


class Relays:
    """Forwards loopback ports through a line each, in a thread."""

    def __init__(self, link: Link) -> None:
        self.carried = 0
        "Bytes, of all relays and both directions."

        self._link = link
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._servers: list[asyncio.Server] = []

    def announced(self, _member: str, port: int) -> int:
        """A port that leads to `port` over a line of its own."""
        return self.run(self.open(port))

    def measure(self) -> Link:
        """What a connection through a relay really has: rate one way and round trip."""
        return self.run(self._measure())

    def close(self) -> None:
        """Close all of them."""
        self.run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run on the relays' loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    async def open(self, port: int) -> int:
        """`announced`, on the loop."""
        into, out = _Direction(self._link), _Direction(self._link)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                writer.close()
                return
            await asyncio.gather(self._carry(reader, far_writer, into), self._carry(far_reader, writer, out))

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: _Direction
    ) -> None:
        """Forward what comes, late and no faster than the line."""
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        sending = asyncio.create_task(_deliver(waiting, writer))
        try:
            while data := await reader.read(CHUNK):
                at, wait = direction.send(len(data))
                waiting.put_nowait((at, data))
                self.carried += len(data)
                if wait > 0:
                    await asyncio.sleep(wait)
        except OSError:
            pass
        finally:
            waiting.put_nowait((0.0, b""))
            await sending

    async def _measure(self) -> Link:
        got = 0

        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            """Send the first byte back, then swallow."""
            nonlocal got
            writer.write(await reader.read(1))
            while data := await reader.read(CHUNK):
                got += len(data)
            writer.close()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        port = await self.open(int(server.sockets[0].getsockname()[1]))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        started = time.monotonic()
        writer.write(b"?")
        await reader.read(1)
        round_trip = time.monotonic() - started
        pushing = asyncio.create_task(_push(writer))
        await asyncio.sleep(1.0)
        before, started = got, time.monotonic()
        await asyncio.sleep(SAMPLE_SECONDS)
        rate = (got - before) / (time.monotonic() - started)
        pushing.cancel()
        writer.close()
        server.close()
        self.carried = 0
        return Link(rate * 8 / 1e6, round_trip)

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)


async def _deliver(waiting: "asyncio.Queue[tuple[float, bytes]]", writer: asyncio.StreamWriter) -> None:
    try:
        while (item := await waiting.get())[1]:
            at, data = item
            await asyncio.sleep(max(0.0, at - time.monotonic()))
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def _push(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(bytes(CHUNK))
        await writer.drain()
