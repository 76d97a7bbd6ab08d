# SPDX-License-Identifier: Apache-2.0
"""Whoever only looks at a run takes small answers alone."""

import asyncio
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

import pytest

from node0.pipeline.swarm.observe import Answer, ask
from node0.swarm.run.create import create_run
from node0.swarm.run.layout import lay_out
from node0.swarm.run.swarm_run import SwarmRun
from node0.swarm.transport.frames import PROTOCOL, SMALL, Frame, encode
from node0.swarm.transport.stream import Stream

TOLD = {"id": 0, "protocol": PROTOCOL}


class Unread:
    """Takes what is written."""

    def write(self, data: bytes) -> None:
        pass

    async def drain(self) -> None:
        pass

    def close(self) -> None:
        pass


class Answering:
    """A peer whose every stream brings the same bytes."""

    peer_id = "observer"

    def __init__(self, answer: Frame) -> None:
        self._answer = b"".join(encode(answer))

    async def open(self, remote: str, name: str, addresses: Sequence[str]) -> Stream:
        reader, unread = asyncio.StreamReader(), Unread()
        reader.feed_data(self._answer)
        writer: Any = unread
        return Stream(reader, writer, remote)

    def run(self, work: Coroutine[Any, Any, list[Answer]], *, timeout: float | None) -> list[Answer]:
        return asyncio.run(work)


@pytest.fixture
def run(tmp_path: Path) -> SwarmRun:
    slots = lay_out(2, replicas={}, spares=0, hosts={})
    return create_run(tmp_path / "run", slots, common=SwarmRun(num_stages=2, local_mode=True), settings="")


def answers(run: SwarmRun, answer: Frame) -> list[Answer]:
    peer: Any = Answering(answer)
    return ask(peer, run.members[:2], deadline=5.0)


def test_what_members_tell_is_handed_on(run: SwarmRun) -> None:
    assert [answer.told for answer in answers(run, Frame("reply", TOLD))] == [TOLD, TOLD]


def test_a_long_answer_is_refused_before_it_is_read(run: SwarmRun) -> None:
    found = answers(run, Frame("reply", TOLD, (), bytes(SMALL + 1)))

    assert [answer.told for answer in found] == [None, None]
    assert all("is oversized" in answer.why for answer in found)
