# SPDX-License-Identifier: Apache-2.0
"""A client that does not read what it is sent is not served any longer."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import torch

from node0.errors import FrameRefused
from node0.server.host.client import Client
from node0.swarm.transport.frames import Frame
from node0.swarm.transport.stream import SLOWEST


class FakeStream:
    """Takes frames as `takes` does."""

    def __init__(self, takes: Callable[[Frame], Awaitable[None]]) -> None:
        self.send = takes
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


async def _never(frame: Frame) -> None:
    await asyncio.Event().wait()


def _client(stream: FakeStream) -> Client:
    given: Any = stream
    return Client(given, asyncio.get_running_loop(), deadline=0.02)


def test_reports_are_sent_in_their_order() -> None:
    sent: list[str] = []

    async def take(frame: Frame) -> None:
        sent.append(frame.kind)
        if len(sent) == 3:
            raise OSError

    async def report() -> None:
        client = _client(FakeStream(take))
        for kind in ("done", "loss", "done"):
            client.report(Frame(kind))
        await client.drain()

    asyncio.run(report())
    assert sent == ["done", "loss", "done"]


def test_the_stream_of_who_does_not_read_is_closed() -> None:
    stream = FakeStream(_never)

    async def report() -> None:
        client = _client(stream)
        client.report(Frame("scores"))
        await asyncio.wait_for(client.drain(), 5.0)

    asyncio.run(report())
    assert stream.is_closed


def test_what_is_large_may_take_longer() -> None:
    async def slowly(frame: Frame) -> None:
        await asyncio.sleep(0.2)

    large = Frame("reply", {}, [torch.zeros(10 * SLOWEST, dtype=torch.float32)])

    asyncio.run(_reply(slowly, large))
    with pytest.raises(FrameRefused, match="has not read its replies"):
        asyncio.run(_reply(slowly, Frame("reply")))


async def _reply(takes: Callable[[Frame], Awaitable[None]], frame: Frame) -> None:
    await _client(FakeStream(takes)).reply(frame)
