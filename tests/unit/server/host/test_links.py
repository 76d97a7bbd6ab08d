# SPDX-License-Identifier: Apache-2.0
"""A stage sends to the peers that its trainer named, and keeps nothing of a stream that ended."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from node0.errors import RetriableError, SwarmTimeout
from node0.server.host.links import Links
from node0.swarm.transport.frames import Frame


class FakePeer:
    """Reaches nobody."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.dialled: list[tuple[str, Sequence[str]]] = []

    async def open(self, remote: str, name: str, addresses: Sequence[str]) -> None:
        self.dialled.append((remote, addresses))
        raise SwarmTimeout(f"peer {remote} cannot be reached")


def test_nobody_else_is_sent_to_and_nothing_is_kept_of_the_lost() -> None:
    lost: list[str] = []

    async def push() -> FakePeer:
        peer = FakePeer()
        given: Any = peer
        links = Links(given, codec="float32", deadline=5.0, lost=lambda remote, why: lost.append(remote))
        links.set_addresses({"a": ["one"], "b": []})
        for number, remote in enumerate(("a", "b", "a"), start=1):
            links.push(remote, Frame("activation"))
            while len(lost) < number or links._tasks:
                await asyncio.sleep(0)
        links.set_addresses({"b": []})
        for remote in ("a", "c\n"):
            with pytest.raises(RetriableError, match="is no neighbour"):
                links.push(remote, Frame("activation"))
        await asyncio.sleep(0)
        assert not links._tasks and not links._queues
        assert links.waiting.frames == 0
        await links.close()
        return peer

    peer = asyncio.run(asyncio.wait_for(push(), 10.0))

    assert peer.dialled == [("a", ["one"]), ("b", []), ("a", ["one"])]
    assert lost == ["a", "b", "a"]
