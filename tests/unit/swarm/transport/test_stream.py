# SPDX-License-Identifier: Apache-2.0
"""Frames over one connection: whole, in order, and never after a broken one."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import torch

from node0.swarm.transport.frames import Frame
from node0.swarm.transport.stream import Stream

Talk = Callable[[Stream, Stream], Awaitable[None]]


def talk(directory: Path, what: Talk) -> None:
    """Run `what` with the two ends of a connection."""

    async def run() -> None:
        accepted: asyncio.Future[Stream] = asyncio.get_running_loop().create_future()

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accepted.set_result(Stream(reader, writer, "there"))

        server = await asyncio.start_unix_server(accept, directory / "s")
        async with server:
            reader, writer = await asyncio.open_unix_connection(directory / "s")
            ends = Stream(reader, writer, "here"), await accepted
            try:
                await asyncio.wait_for(what(*ends), 20.0)
            finally:
                for end in ends:
                    end.close()

    asyncio.run(run())


def test_frames_of_many_senders_arrive_whole(tmp_path: Path) -> None:
    frames = [Frame("k", {"n": n}, [torch.full((n * 10_000,), float(n))]) for n in range(20)]

    async def what(here: Stream, there: Stream) -> None:
        sending = asyncio.gather(*(here.send(frame) for frame in frames))
        found = [await there.receive() for _ in frames]
        await sending
        assert [frame and frame["n"] for frame in found] == list(range(20))
        assert all(frame and bool((frame.tensors[0] == frame["n"]).all()) for frame in found)

    talk(tmp_path, what)


def test_the_end_of_a_stream_is_no_error(tmp_path: Path) -> None:
    async def what(here: Stream, there: Stream) -> None:
        await here.send(Frame("last"))
        here.close()
        frame = await there.receive()
        assert frame is not None
        assert frame.kind == "last"
        assert (await there.receive()) is None

    talk(tmp_path, what)


def test_a_sender_waits_for_a_peer_that_does_not_read(tmp_path: Path) -> None:
    async def what(here: Stream, there: Stream) -> None:
        blob = bytes(8 << 20)
        sending = asyncio.create_task(here.send(Frame("k", {}, (), blob)))
        await asyncio.sleep(0.05)
        assert not sending.done()
        assert here.sent_bytes < len(blob)
        frame = await there.receive()
        await sending
        assert frame is not None
        assert frame.blob == blob

    talk(tmp_path, what)


def test_a_send_that_is_given_up_ends_the_stream(tmp_path: Path) -> None:
    async def what(here: Stream, there: Stream) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(here.send(Frame("k", {}, (), bytes(8 << 20))), 0.05)
        assert (await there.receive()) is None

    talk(tmp_path, what)


def test_a_codec_travels_with_its_frame(tmp_path: Path) -> None:
    tensor = torch.randn(3, 5)

    async def what(here: Stream, there: Stream) -> None:
        await here.send(Frame("k", {}, [tensor]), codec="bfloat16")
        frame = await there.receive()
        assert frame is not None
        assert torch.equal(frame.tensors[0], tensor.bfloat16().float())

    talk(tmp_path, what)
