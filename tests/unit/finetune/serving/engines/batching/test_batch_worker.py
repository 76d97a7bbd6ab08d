# SPDX-License-Identifier: Apache-2.0
import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from batch_parts import answers, batch_engine, greedy_request

from node0.errors import BadCheckpoint, ConfigError, EngineBusy, EngineUnavailable
from node0.finetune.serving.engines.batching.batch_engine import BatchEngine, Progress
from node0.finetune.serving.engines.batching.batch_worker import BatchWorker, Lender
from node0.finetune.serving.engines.batching.sequence import Sequence
from node0.finetune.serving.engines.queued_answer import QueuedAnswer


class Loan:
    """An engine that is lent, and who else wants the room."""

    def __init__(self, engine: BatchEngine) -> None:
        self.engine, self.lent, self.wanted = engine, 0, False

    @contextmanager
    def lend(self) -> Iterator[BatchEngine]:
        self.lent += 1
        yield self.engine


class Gated(BatchEngine):
    """Steps only while the gate is open."""

    def __init__(self) -> None:
        plain = batch_engine()
        super().__init__(plain._runner)
        self.gate = threading.Event()

    def step(self) -> list[Progress]:
        assert self.gate.wait(20)
        return super().step()


@contextmanager
def working(engine: BatchEngine | Loan, *, places: int = 16) -> Iterator[BatchWorker]:
    loan = engine if isinstance(engine, Loan) else Loan(engine)
    worker = BatchWorker("m", Lender(loan.lend, lambda: loan.wanted), places=places)
    try:
        yield worker
    finally:
        worker.close()


async def ids_of(place: QueuedAnswer) -> list[int]:
    return [token.id async for token in place]


def test_requests_are_answered_together_as_each_would_be_alone() -> None:
    requests = [greedy_request([number, 2, 3], 5 + number) for number in range(6)]

    async def run(worker: BatchWorker) -> list[list[int]]:
        return await asyncio.gather(*(ids_of(worker.enter(request)) for request in requests))

    engine = batch_engine()
    with working(engine) as worker:
        told = asyncio.run(run(worker))

    assert told == [answers(batch_engine(), [request])[0] for request in requests]
    assert engine.counts.steps < sum(map(len, told))


def test_more_than_there_are_places_for_are_refused_and_a_place_given_back_is_free() -> None:
    engine = Gated()

    async def run(worker: BatchWorker) -> None:
        places = [worker.enter(greedy_request([1], 3)) for _ in range(2)]
        with pytest.raises(EngineBusy, match="2 requests wait for model m"):
            worker.enter(greedy_request([1], 3))
        await places[0].aclose()
        engine.gate.set()
        assert len(await ids_of(places[1])) == 3
        assert len(await ids_of(worker.enter(greedy_request([1], 3)))) == 3

    with working(engine, places=2) as worker:
        asyncio.run(run(worker))
        assert len(worker) == 0


def test_a_cancelled_answer_frees_its_blocks_at_the_next_step() -> None:
    engine = batch_engine()

    async def run(worker: BatchWorker) -> None:
        place = worker.enter(greedy_request([1, 2], 1000))
        await anext(place)
        await place.aclose()
        assert len(await ids_of(worker.enter(greedy_request([3], 2)))) == 2

    with working(engine) as worker:
        asyncio.run(run(worker))
        assert len(worker) == 0
    assert engine.figures().cache_blocks_held == 0
    assert engine.counts.computed < 1000


def test_a_request_that_can_never_fit_hears_it_and_the_others_are_answered() -> None:
    async def run(worker: BatchWorker) -> list[int]:
        large, small = worker.enter(greedy_request([1] * 50, 9)), worker.enter(greedy_request([1], 3))
        with pytest.raises(ConfigError, match="do not fit"):
            await ids_of(large)
        return await ids_of(small)

    with working(batch_engine(1)) as worker:
        assert len(asyncio.run(run(worker))) == 3


def test_an_adapter_that_cannot_be_read_fails_its_own_request_alone() -> None:
    class Unreadable(BatchEngine):
        def add(self, sequence: Sequence) -> None:
            if sequence.adapter == "x":
                raise PermissionError("adapter_model.safetensors")
            super().add(sequence)

    async def run(worker: BatchWorker) -> list[int]:
        running, broken = worker.enter(greedy_request([1], 30)), worker.enter(greedy_request([1], 3), "x")
        with pytest.raises(PermissionError):
            await ids_of(broken)
        return await ids_of(running)

    with working(Unreadable(batch_engine()._runner)) as worker:
        assert len(asyncio.run(run(worker))) == 30


def test_whoever_asked_hears_that_the_weights_cannot_be_loaded() -> None:
    @contextmanager
    def broken() -> Iterator[BatchEngine]:
        raise BadCheckpoint("torn")
        yield

    worker = BatchWorker("m", Lender(broken, lambda: False), places=4)

    async def run() -> None:
        for _ in range(2):
            with pytest.raises(BadCheckpoint, match="torn"):
                await ids_of(worker.enter(greedy_request([1], 3)))

    asyncio.run(run())
    worker.close()
    assert len(worker) == 0


def test_it_lets_nobody_in_while_another_base_waits_for_the_room() -> None:
    engine = Gated()
    loan = Loan(engine)

    async def run(worker: BatchWorker) -> list[list[int]]:
        first = worker.enter(greedy_request([1], 4))
        while not engine.busy:
            await asyncio.sleep(0.001)
        loan.wanted = True
        second = worker.enter(greedy_request([2], 4))
        engine.gate.set()
        return [await ids_of(first), await ids_of(second)]

    with working(loan) as worker:
        asyncio.run(run(worker))

    assert loan.lent == 2, "it gave the engine back before it took the second request"


def test_closing_tells_those_who_wait_and_takes_no_more() -> None:
    engine = Gated()

    async def run(worker: BatchWorker) -> None:
        place = worker.enter(greedy_request([1], 50))
        closing = asyncio.get_running_loop().run_in_executor(None, worker.close)
        with pytest.raises(EngineUnavailable, match="shut down"):
            await anext(place)
        engine.gate.set()
        await closing
        with pytest.raises(EngineUnavailable):
            worker.enter(greedy_request([1], 3))

    with working(engine) as worker:
        asyncio.run(run(worker))

    assert "node0-serve-m" not in {thread.name for thread in threading.enumerate()}
