# SPDX-License-Identifier: Apache-2.0
"""What one hop of a small frame costs between two processes on loopback, beside a raw libp2p stream.

    python bench/hop.py [TRIPS]

A frame takes the way of a microbatch: pushed from a compute thread, sent by the links, read, checked and
handed to the other process's compute thread, and back again. The raw stream carries the same number of
bytes to and fro and nothing is done with them. Both take turns in one run; half of a median round trip
is printed. The limit is 2 ms a hop, the target 1.5.
"""

import os
import statistics
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import torch

from node0.server.host.compute import ComputeThread, Priority
from node0.server.host.links import PUSH, Links
from node0.swarm.peer.peer import Peer, PeerSettings
from node0.swarm.transport.frames import Frame, encode
from node0.swarm.transport.stream import Stream
from temporary import temporary_place

RAW = "node0.bench-raw/1"
TRIPS = 2000
ROUNDS = 5
FRAME = Frame("activation", {"attempt": "0" * 16, "mb": 0}, [torch.randn(1, 1, 64), torch.zeros(1, 1)])
SIZE = sum(map(len, encode(FRAME)))


class End:
    """One of the two processes: whatever is pushed to it is handed to its compute thread."""

    def __init__(self, directory: Path, initial: list[str]) -> None:
        self.peer = Peer(PeerSettings(directory, initial_peers=initial))
        self.compute = ComputeThread()
        self.links = Links(self.peer, codec="float32", deadline=30.0, lost=lambda *_: None)
        self.peer.serve(PUSH, self._pushed)
        self.peer.serve(RAW, self._echo)

    def came(self, remote: str, frame: Frame) -> None:
        """On the compute thread: send it back."""
        self.links.push(remote, frame)

    def close(self) -> None:
        """Leave nothing behind."""
        self.compute.close()
        self.peer.run(self.links.close(), timeout=10.0)
        self.peer.close()

    async def _pushed(self, stream: Stream) -> None:
        self.links.set_addresses({stream.remote: ()})
        while (frame := await stream.receive()) is not None:
            self.compute.submit(Priority.FORWARD, partial(self.came, stream.remote, frame))

    async def _echo(self, stream: Stream) -> None:
        while data := await stream._reader.read(SIZE):
            stream._writer.write(data)
            await stream._writer.drain()


class Timer(End):
    """The end that begins, and takes the time of each trip."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, [])
        self._seconds: list[float] = []
        self._left, self._begun = 0, 0.0
        self._done = threading.Event()

    def trips(self, remote: str, count: int) -> list[float]:
        """Seconds of so many round trips of the frame, one after the other."""
        self._seconds, self._left = [], count
        self._done.clear()
        self.links.set_addresses({remote: ()})
        self.compute.submit(Priority.FORWARD, lambda: self._begin(remote))
        if not self._done.wait(60.0):
            raise TimeoutError("the frame did not come back")
        return self._seconds

    async def raw_trips(self, remote: str, count: int) -> list[float]:
        """The same of bare bytes."""
        stream, seconds = await self.peer.open(remote, RAW), []
        data = bytes(SIZE)
        for _ in range(count):
            begun = time.perf_counter()
            stream._writer.write(data)
            await stream._reader.readexactly(SIZE)
            seconds.append(time.perf_counter() - begun)
        stream.close()
        return seconds

    def came(self, remote: str, frame: Frame) -> None:
        """On the compute thread: take the time, and begin again."""
        self._seconds.append(time.perf_counter() - self._begun)
        self._left -= 1
        if self._left:
            self._begin(remote)
        else:
            self._done.set()

    def _begin(self, remote: str) -> None:
        self._begun = time.perf_counter()
        self.links.push(remote, FRAME)


def answer(directory: Path, initial: list[str]) -> None:
    """Be the other end until stdin ends."""
    end = End(directory, initial)
    end.peer.join()
    print(end.peer.peer_id, flush=True)
    sys.stdin.read()
    end.close()


def main() -> int:
    """Measure both ways in turns, and print them."""
    if sys.argv[1:2] == ["answer"]:
        answer(Path(sys.argv[2]), sys.argv[3:])
        return 0
    count = int(sys.argv[1]) if len(sys.argv) > 1 else TRIPS
    with temporary_place("hop") as root:
        timer = Timer(root / "a")
        command = [sys.executable, __file__, "answer", str(root / "b"), *timer.peer.addresses]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout is not None
            remote = other.stdout.readline().strip()
            measure(timer, remote, count)
        timer.close()
    return 0


def measure(timer: Timer, remote: str, count: int) -> None:
    """Warm both up, then take turns."""
    framed: list[float] = []
    raw: list[float] = []
    for number in range(ROUNDS + 1):
        trips = timer.trips(remote, count // ROUNDS)
        bare = timer.peer.run(timer.raw_trips(remote, count // ROUNDS), timeout=60.0)
        if number:
            framed += trips
            raw += bare
    hop, bytes_hop = statistics.median(framed) / 2, statistics.median(raw) / 2
    busy = os.getloadavg()[0]
    print(f"{len(framed)} round trips of {SIZE} bytes, load {busy:.1f} on {os.cpu_count()} cores")
    print(f"frame, compute thread to compute thread  {hop * 1e3:6.2f} ms a hop (limit 2, target 1.5)")
    print(f"raw libp2p stream                        {bytes_hop * 1e3:6.2f} ms a hop")
    print(f"ratio                                    {hop / bytes_hop:6.2f}")


if __name__ == "__main__":
    sys.exit(main())
