# SPDX-License-Identifier: Apache-2.0
"""The pieces of a sequence: cut once, sent in order, the same at every opening."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node0.errors import ConfigError, RetriableError
from node0.pipeline.protocol import SamplingParams
from node0.pipeline.swarm.swarm_sequence import PIECE_IDS, ROUND_PIECES, SwarmSequence
from node0.swarm.transport.frames import Frame


class Member:
    """A member that notes what it is sent."""

    def __init__(self, name: str, *, refuses: bool = False) -> None:
        self.peer_id, self._refuses = name, refuses
        self.sent: list[Frame] = []

    async def request(self, frame: Frame, *, deadline: float) -> Frame:
        if self._refuses:
            raise RetriableError("caches are full")
        self.sent.append(frame)
        return Frame("reply")

    async def send(self, frame: Frame) -> None:
        self.sent.append(frame)

    @property
    def pieces(self) -> list[tuple[int, list[int]]]:
        """What was kept, and what came."""
        return [
            (frame["keep"], frame.tensors[0][0].tolist()) for frame in self.sent if frame.kind == "decode"
        ]


def _sequence(max_length: int = 10_000) -> SwarmSequence:
    return SwarmSequence(SamplingParams(seed=3), max_length=max_length)


def _sent_to(sequence: SwarmSequence) -> Member:
    """A member that was sent all of it."""
    member: Any = Member("a")

    async def send() -> None:
        await sequence.open([member])
        while not sequence.is_sent:
            await sequence.send()

    asyncio.run(send())
    found: Member = member
    return found


def test_a_long_prompt_is_sent_in_pieces_a_few_at_a_time() -> None:
    ids = list(range(PIECE_IDS * ROUND_PIECES + 5))
    sequence, member = _sequence(), Member("a")
    sequence.append(ids)

    async def send() -> None:
        await sequence.open([member])  # type: ignore[list-item]  # a member of the swarm to it
        await sequence.send()

    asyncio.run(send())

    assert len(member.pieces) == sequence.turn == ROUND_PIECES
    assert not sequence.is_sent
    asyncio.run(sequence.send())
    assert sequence.is_sent
    assert [token for _, piece in member.pieces for token in piece] == ids


@given(st.lists(st.integers(1, 3 * PIECE_IDS), min_size=1, max_size=6))
def test_it_is_sent_again_in_the_pieces_that_it_had(lengths: list[int]) -> None:
    sequence = _sequence()
    for length in lengths:
        sequence.append(range(length))
    first, again = _sent_to(sequence), _sent_to(sequence)

    assert first.pieces == again.pieces
    kept = 0
    for keep, piece in first.pieces:
        assert keep == kept
        kept += len(piece)
    assert kept == len(sequence) == sum(lengths)


def test_what_is_cut_off_is_not_kept_by_the_stages() -> None:
    sequence = _sequence()
    sequence.append(range(PIECE_IDS + 3))
    sequence.append([7])
    member = _sent_to(sequence)

    sequence.cut(PIECE_IDS + 1)
    sequence.append([9])
    asyncio.run(sequence.send())

    assert member.pieces[-1] == (PIECE_IDS + 1, [9])
    sequence.cut(0)
    assert len(sequence) == 0
    sequence.append([5])
    asyncio.run(sequence.send())
    assert member.pieces[-1] == (0, [5])


def test_it_neither_outgrows_its_room_nor_grows_by_nothing() -> None:
    sequence = _sequence(4)
    sequence.append([1, 2, 3])

    with pytest.raises(ConfigError, match="5 tokens does not fit this session's 4"):
        sequence.append([4, 5])
    with pytest.raises(ConfigError, match="at least one id"):
        sequence.append([])
    assert len(sequence) == 3


def test_a_stage_without_room_leaves_no_room_taken_at_the_others() -> None:
    sequence, roomy, full = _sequence(), Member("a"), Member("b", refuses=True)

    with pytest.raises(RetriableError, match="full"):
        asyncio.run(sequence.open([roomy, full]))  # type: ignore[list-item]  # members to it

    assert [frame.kind for frame in roomy.sent] == ["open", "close"]
    assert roomy.sent[0]["session"] == roomy.sent[1]["session"]
    assert roomy.sent[0]["above"] == "b"
    assert sequence.route == []
