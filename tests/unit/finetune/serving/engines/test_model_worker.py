# SPDX-License-Identifier: Apache-2.0
import asyncio
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager

import pytest

from node0.errors import EngineBusy, EngineUnavailable
from node0.finetune.serving.engines.model_worker import Answer, ModelWorker, QueuedAnswer
from node0.finetune.serving.engines.token_engine import GenerationRequest


def request(number: int, *, max_tokens: int = 3) -> GenerationRequest:
    return GenerationRequest("m", (number,), max_tokens)


def counting(asked: QueuedAnswer) -> Generator[int, None, None]:
    yield from range(asked.request.prompt[0], asked.request.prompt[0] + asked.request.max_tokens)


class Gated:
    """Gives one id, then one more whenever the gate is open."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.closed: list[int] = []

    def __call__(self, asked: QueuedAnswer) -> Generator[int, None, None]:
        try:
            yield 0
            while self.gate.wait(5):
                yield 1
        finally:
            self.closed.append(asked.request.prompt[0])


@contextmanager
def working(answer: Answer, *, max_waiting: int = 4) -> Iterator[ModelWorker]:
    worker = ModelWorker("m", answer, max_waiting=max_waiting)
    try:
        yield worker
    finally:
        worker.close()


async def ids_of(place: QueuedAnswer) -> list[int]:
    return [token.id async for token in place]


def test_answers_come_in_the_order_of_the_requests() -> None:
    finished = []

    async def run(worker: ModelWorker) -> None:
        async def one(place: QueuedAnswer) -> None:
            finished.append(await ids_of(place))

        await asyncio.gather(*(one(worker.enter(request(number))) for number in (10, 20, 30)))

    with working(counting) as worker:
        asyncio.run(run(worker))

    assert finished == [[10, 11, 12], [20, 21, 22], [30, 31, 32]]


def test_more_than_may_wait_are_refused_and_a_place_that_is_given_back_is_free() -> None:
    gated = Gated()

    async def run(worker: ModelWorker) -> None:
        running = worker.enter(request(1))
        assert (await anext(running)).id == 0
        waiting = worker.enter(request(2))
        with pytest.raises(EngineBusy, match="1 requests wait for model m"):
            worker.enter(request(3))
        await waiting.aclose()
        assert len(worker) == 1
        worker.enter(request(4))
        gated.gate.set()

    with working(gated, max_waiting=1) as worker:
        asyncio.run(run(worker))


def test_a_cancelled_answer_ends_between_two_tokens_and_the_next_begins() -> None:
    gated = Gated()

    async def run(worker: ModelWorker) -> int:
        endless, following = worker.enter(request(1)), worker.enter(request(2))
        await anext(endless)
        await endless.aclose()
        gated.gate.set()
        return (await asyncio.wait_for(anext(following), 5)).id

    with working(gated) as worker:
        assert asyncio.run(run(worker)) == 0
        assert gated.closed[0] == 1


def test_a_cancelled_request_that_waited_is_never_computed() -> None:
    gated, begun = Gated(), []

    def noting(asked: QueuedAnswer) -> Generator[int, None, None]:
        begun.append(asked.request.prompt[0])
        yield from gated(asked) if asked.request.prompt[0] == 1 else counting(asked)

    async def run(worker: ModelWorker) -> None:
        first, second, third = (worker.enter(request(number)) for number in (1, 2, 3))
        await anext(first)
        await second.aclose()
        await first.aclose()
        gated.gate.set()
        await ids_of(third)

    with working(noting) as worker:
        asyncio.run(run(worker))

    assert begun == [1, 3]


def test_whoever_asked_hears_the_error_and_the_next_is_answered() -> None:
    def failing(asked: QueuedAnswer) -> Generator[int, None, None]:
        if asked.request.prompt[0] == 1:
            raise ValueError("no")
        yield from counting(asked)

    async def run(worker: ModelWorker) -> list[int]:
        broken, whole = worker.enter(request(1)), worker.enter(request(5))
        with pytest.raises(ValueError, match="no"):
            await ids_of(broken)
        return await ids_of(whole)

    with working(failing) as worker:
        assert asyncio.run(run(worker)) == [5, 6, 7]


def test_an_answer_that_has_ended_stays_ended() -> None:
    async def run(worker: ModelWorker) -> list[list[int]]:
        place = worker.enter(request(1))
        return [await ids_of(place), await ids_of(place)]

    with working(counting) as worker:
        assert asyncio.run(run(worker)) == [[1, 2, 3], []]


def test_closing_tells_those_who_wait_and_takes_no_more() -> None:
    gated = Gated()

    async def run(worker: ModelWorker) -> None:
        running, waiting = worker.enter(request(1)), worker.enter(request(2))
        await anext(running)
        closing = asyncio.get_running_loop().run_in_executor(None, worker.close)
        with pytest.raises(EngineUnavailable, match="shut down"):
            await anext(waiting)
        gated.gate.set()
        await closing
        with pytest.raises(EngineUnavailable):
            worker.enter(request(3))

    with working(gated) as worker:
        asyncio.run(run(worker))

    assert gated.closed == [1]
    assert "node0-serve-m" not in {thread.name for thread in threading.enumerate()}
