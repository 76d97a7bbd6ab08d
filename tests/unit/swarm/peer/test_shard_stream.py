# SPDX-License-Identifier: Apache-2.0
import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from node0.errors import BadCheckpoint, FrameRefused, SwarmTimeout
from node0.swarm.peer.shard_stream import CHUNK, SHARD, pull_shard, serve_shards
from node0.swarm.records.shards import Announced, Announcement
from node0.swarm.transport.frames import Frame

BYTES = bytes(range(256)) * (CHUNK // 128)
DIGEST = "a" * 64


class End:
    """One end of a stream in memory."""

    remote = "reader"

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[Frame | None] = asyncio.Queue()
        self.other: Any = None
        self.is_closed = False

    async def send(self, frame: Frame) -> None:
        self.other.inbox.put_nowait(frame)

    async def receive(self, *, max_payload: int) -> Frame | None:
        return await self.inbox.get()

    def close(self) -> None:
        self.is_closed = True


class FakePeer:
    """Serves and opens streams within itself; it runs on a loop that goes only while it is asked."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self.loop = SimpleNamespace(call_soon_threadsafe=lambda call: call())
        self.handler: Callable[[Any], Coroutine[Any, Any, None]] | None = None
        self.ends: list[End] = []

    def serve(self, name: str, handler: Any) -> None:
        assert name == SHARD
        self.handler = handler

    async def open(self, remote: str, name: str, addresses: object) -> End:
        here, there = End(), End()
        here.other, there.other = there, here
        self.ends = [here, there]
        assert self.handler is not None
        self._task = asyncio.ensure_future(self.handler(there))
        return here

    def run(self, work: Coroutine[Any, Any, Any], *, timeout: float) -> Any:
        return self._loop.run_until_complete(asyncio.wait_for(work, timeout))

    def close(self) -> None:
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()


@pytest.fixture
def peer() -> Any:
    made = FakePeer()
    yield made
    made.close()


def _source(*, size: int = len(BYTES), digest: str = DIGEST) -> Announced:
    announcement = Announcement(run="r", stage="solo-0", step=1, sha256=digest, bytes=size, base_digest="b")
    return Announced("holder", announcement, b"")


def _pulled(peer: Any, source: Announced, offset: int = 0) -> bytes:
    return b"".join(pull_shard(peer, source, offset, stall=5.0))


@pytest.fixture
def held(peer: Any, tmp_path: Path) -> Path:
    path = tmp_path / "shard"
    path.write_bytes(BYTES)
    serve_shards(peer, {DIGEST: path}.get)
    return path


@pytest.mark.parametrize("offset", [0, 1, CHUNK, len(BYTES) - 1, len(BYTES)])
def test_a_shard_comes_from_any_offset_to_its_end(peer: Any, held: Path, offset: int) -> None:
    assert _pulled(peer, _source(), offset) == BYTES[offset:]
    assert peer.ends[0].is_closed


def test_what_is_not_offered_or_gone_is_told_so(peer: Any, held: Path) -> None:
    with pytest.raises(SwarmTimeout, match="peer holder has shard bbbbbbbbbbbb no more"):
        _pulled(peer, _source(digest="b" * 64))
    held.unlink()
    with pytest.raises(SwarmTimeout, match="peer holder has shard aaaaaaaaaaaa no more"):
        _pulled(peer, _source())


def test_a_shard_of_another_size_is_refused(peer: Any, held: Path) -> None:
    with pytest.raises(BadCheckpoint, match=f"has '{len(BYTES)}' bytes of a shard of 5"):
        _pulled(peer, _source(size=5))


@pytest.mark.parametrize(
    ("frames", "error", "message"),
    [
        ([Frame("shard", {"bytes": 5}), Frame("token")], FrameRefused, "sends 'token' for a shard's chunk"),
        ([Frame("shard", {"bytes": 5}), Frame("chunk")], FrameRefused, "sends 'chunk' for a shard's chunk"),
        ([Frame("shard", {"bytes": 5}), None], SwarmTimeout, "closed the stream of a shard before its end"),
        ([None], SwarmTimeout, "closed the stream of a shard before its end"),
    ],
)
def test_a_holder_that_breaks_off_or_sends_something_else_is_left(
    peer: Any, frames: list[Frame | None], error: type[Exception], message: str
) -> None:
    async def handler(stream: End) -> None:
        for frame in frames:
            stream.other.inbox.put_nowait(frame)

    peer.serve(SHARD, handler)

    with pytest.raises(error, match=message):
        _pulled(peer, _source(size=5))
    assert peer.ends[0].is_closed


@pytest.mark.parametrize(
    "request_",
    [
        Frame("fetch", {"sha256": "../x", "offset": 0}),
        Frame("fetch", {"sha256": DIGEST, "offset": -1}),
        Frame("fetch", {"sha256": 5, "offset": 0}),
        Frame("drop", {"sha256": DIGEST, "offset": 0}),
    ],
)
def test_what_is_no_request_of_ours_gets_nothing(peer: Any, held: Path, request_: Frame) -> None:
    async def ask() -> Frame | None:
        stream = await peer.open("holder", SHARD, [])
        await stream.send(request_)
        return await stream.receive(max_payload=CHUNK)

    assert peer.run(ask(), timeout=5.0) == Frame("absent")
