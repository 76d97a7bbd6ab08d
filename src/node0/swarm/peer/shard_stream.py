# SPDX-License-Identifier: Apache-2.0
"""Serve and fetch shards by sha256 over a stream, from any offset, to the peers that may have them.

    fetch {sha256, offset}  ->  shard {bytes}, then chunks to the end of the file; or absent {}

Only what the holder offers can be asked for: a digest is no path.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Generator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from node0.errors import BadCheckpoint, FrameRefused, SwarmTimeout
from node0.swarm.peer.peer import Peer
from node0.swarm.records.shards import Announced
from node0.swarm.transport.frames import Frame
from node0.swarm.transport.quoting import quoted
from node0.swarm.transport.stream import Stream

logger = logging.getLogger(__name__)

SHARD = "node0.shard/1"
CHUNK = 1 << 18
AT_ONCE = 8
"Streams that a holder serves at a time; others wait."

PATIENCE = 60.0
"Seconds that a holder waits for a peer that asks for nothing or does not read."

Find = Callable[[str], Path | None]
"The file of a digest; None where it is not offered."


def serve_shards(peer: Peer, find: Find, *, readers: Collection[str] | None = None) -> None:
    """Let peers fetch what `find` offers. It is called on the peer's loop.

    readers: ids of the peers that may; None lets everybody who may open a stream.
    """
    places = asyncio.Semaphore(AT_ONCE)

    async def handle(stream: Stream) -> None:
        if readers is not None and stream.remote not in readers:
            raise FrameRefused("it may not have what is trained here")
        try:
            async with places:
                await _answer(stream, find)
        except (FrameRefused, OSError, TimeoutError) as error:
            reason = " ".join(str(error).split()) or "it does not read"
            logger.warning("stopped sending a shard to peer %s: %s", stream.remote, reason)

    peer.serve(SHARD, handle)


def pull_shard(peer: Peer, source: Announced, offset: int, *, stall: float) -> Generator[bytes, None, None]:
    """The bytes of an announced shard from `offset`, as they come.

    Raises:
        SwarmTimeout: the holder cannot be reached, has it no more, sends nothing for `stall` seconds, or
            closes the stream before the end.
        FrameRefused: what it sends are no frames of a shard.
        BadCheckpoint: it has a shard of another size.
    """
    announcement = source.announcement
    stream = peer.run(_ask(peer, source, offset), timeout=stall)
    try:
        first = _next(peer, stream, stall)
        if first.kind != "shard":
            raise SwarmTimeout(f"peer {source.peer_id} has shard {announcement.sha256[:12]} no more")
        if first["bytes"] != announcement.bytes:
            raise BadCheckpoint(
                f"peer {source.peer_id} has {quoted(first['bytes'])} bytes of a shard of "
                f"{announcement.bytes}; take another holder's"
            )
        left = announcement.bytes - offset
        while left > 0:
            frame = _next(peer, stream, stall)
            if frame.kind != "chunk" or not frame.blob:
                raise FrameRefused(f"peer {source.peer_id} sends {quoted(frame.kind)} for a shard's chunk")
            left -= len(frame.blob)
            yield frame.blob
    finally:
        with suppress(RuntimeError):  # the peer may be closed by now
            peer.loop.call_soon_threadsafe(stream.close)


async def _ask(peer: Peer, source: Announced, offset: int) -> Stream:
    announcement = source.announcement
    stream = await peer.open(source.peer_id, SHARD, announcement.addresses)
    try:
        await stream.send(Frame("fetch", {"sha256": announcement.sha256, "offset": offset}))
    except BaseException as error:
        stream.close()
        if isinstance(error, OSError):
            raise SwarmTimeout(f"peer {source.peer_id} closed the stream of a shard") from None
        raise
    return stream


def _next(peer: Peer, stream: Stream, stall: float) -> Frame:
    frame = peer.run(stream.receive(max_payload=CHUNK), timeout=stall)
    if frame is None:
        raise SwarmTimeout(f"peer {stream.remote} closed the stream of a shard before its end")
    return frame


async def _answer(stream: Stream, find: Find) -> None:
    request = await asyncio.wait_for(stream.receive(max_payload=0), PATIENCE)
    if request is None:
        return
    digest, offset = request["sha256"], request["offset"]
    path = find(digest) if request.kind == "fetch" and isinstance(digest, str) else None
    if path is None or not isinstance(offset, int) or offset < 0:
        await asyncio.wait_for(stream.send(Frame("absent")), PATIENCE)
        return
    try:
        file = path.open("rb")
    except FileNotFoundError:  # dropped since it was offered
        await asyncio.wait_for(stream.send(Frame("absent")), PATIENCE)
        return
    with file:
        await _send(stream, file, offset)


async def _send(stream: Stream, file: BinaryIO, offset: int) -> None:
    size = file.seek(0, 2)
    file.seek(min(offset, size))
    await asyncio.wait_for(stream.send(Frame("shard", {"bytes": size})), PATIENCE)
    while chunk := await asyncio.to_thread(file.read, CHUNK):
        await asyncio.wait_for(stream.send(Frame("chunk", {}, (), chunk)), PATIENCE)
