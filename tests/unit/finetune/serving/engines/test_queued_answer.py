# SPDX-License-Identifier: Apache-2.0
import asyncio
from contextlib import closing
from typing import Any

import pytest

from node0.finetune.serving.engines.queued_answer import QueuedAnswer, hand_over_together
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


def test_what_a_step_brought_reaches_every_request_and_wakes_a_loop_once() -> None:
    class Counting(asyncio.SelectorEventLoop):
        woken = 0

        def call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:
            self.woken += 1
            return super().call_soon_threadsafe(callback, *args, context=context)

    async def run() -> list[list[GeneratedToken]]:
        places = [QueuedAnswer(REQUEST, lambda place: None) for _ in range(3)]
        hand_over_together([(place, (ONE, None)) for place in places])
        return [[token async for token in place] for place in places]

    loop = Counting()
    with closing(loop):
        assert loop.run_until_complete(run()) == [[ONE]] * 3
    assert loop.woken == 1


def test_a_loop_that_is_gone_takes_nothing_from_the_others() -> None:
    async def made() -> QueuedAnswer:
        return QueuedAnswer(REQUEST, lambda place: None)

    gone = asyncio.run(made())

    async def run() -> list[GeneratedToken]:
        place = await made()
        hand_over_together([(gone, (ONE,)), (place, (TWO, None))])
        return [token async for token in place]

    assert asyncio.run(run()) == [TWO]
