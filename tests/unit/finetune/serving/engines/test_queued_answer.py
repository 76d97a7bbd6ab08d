# SPDX-License-Identifier: Apache-2.0
import asyncio

import pytest

from node0.finetune.serving.engines.queued_answer import QueuedAnswer
from node0.finetune.serving.engines.token_engine import GeneratedToken, GenerationRequest

REQUEST = GenerationRequest("m", (1,), 3)
ONE, TWO = GeneratedToken(1), GeneratedToken(2)


def test_ids_come_in_order_and_an_answer_that_has_ended_stays_ended() -> None:
    async def run() -> list[list[GeneratedToken]]:
        place = QueuedAnswer(REQUEST, lambda place: None)
        await asyncio.to_thread(place.hand_over, ONE, TWO, None)
        return [[token async for token in place], [token async for token in place]]

    assert asyncio.run(run()) == [[ONE, TWO], []]


def test_an_error_comes_after_the_ids_before_it() -> None:
    async def run() -> None:
        place = QueuedAnswer(REQUEST, lambda place: None)
        place.hand_over(ONE, ValueError("no"))
        assert await anext(place) == ONE
        with pytest.raises(ValueError, match="no"):
            await anext(place)
        with pytest.raises(StopAsyncIteration):
            await anext(place)

    asyncio.run(run())


def test_closing_leaves_the_queue_and_ends_whoever_listens() -> None:
    left: list[QueuedAnswer] = []

    async def run() -> QueuedAnswer:
        place = QueuedAnswer(REQUEST, left.append)
        await place.aclose()
        assert [token async for token in place] == []
        return place

    place = asyncio.run(run())
    assert left == [place] and place.cancelled.is_set()


def test_ids_for_a_loop_that_is_gone_are_dropped() -> None:
    async def run() -> QueuedAnswer:
        return QueuedAnswer(REQUEST, lambda place: None)

    asyncio.run(run()).hand_over(ONE)
