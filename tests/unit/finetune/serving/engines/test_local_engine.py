# SPDX-License-Identifier: Apache-2.0
import asyncio
import random
from typing import Any

import pytest
from batch_parts import answers, batch_engine, greedy_request

from node0.errors import NotFound
from node0.finetune.serving.engines.local_engine import LocalEngine, Placement
from node0.finetune.serving.engines.model_pool import Loader, ModelPool
from node0.finetune.serving.engines.token_engine import GenerationRequest
from node0.pipeline.protocol import SamplingParams

PROMPT = (3, 5, 7)


def engine(*names: str, **budget: int) -> LocalEngine:
    pool = ModelPool({name: Loader(1, batch_engine) for name in names}, **budget)
    return LocalEngine(pool, {name: Placement(name) for name in names})


def run(local: LocalEngine, *requests: GenerationRequest) -> list[list[int]]:
    async def all_of_them() -> list[list[int]]:
        async def one(request: GenerationRequest) -> list[int]:
            return [token.id async for token in await local.open(request)]

        try:
            return await asyncio.gather(*map(one, requests))
        finally:
            await local.close()

    return asyncio.run(all_of_them())


def test_requests_beside_each_other_are_answered_as_if_alone() -> None:
    drawn = SamplingParams(temperature=1.0, seed=11)
    requests = [GenerationRequest(name, PROMPT, 5, sampling=drawn) for name in ("a", "b", "a", "b")]
    alone = answers(batch_engine(), requests[:1])[0]

    assert run(engine("a", "b", max_loaded=1), *requests) == [alone] * 4


def test_models_over_one_base_are_answered_by_one_engine() -> None:
    pool = ModelPool({"base": Loader(1, batch_engine)})
    local = LocalEngine(pool, {name: Placement("base") for name in ("a", "b")})

    async def both() -> dict[str, int]:
        streams = [await local.open(greedy_request(PROMPT, 200, name)) for name in ("a", "b", "a")]
        for stream in streams:
            await anext(stream)
        told = local.waiting()
        figures = local.figures()
        await local.close()
        assert (list(figures), figures["base"].running) == (["base"], 3)
        return told

    assert asyncio.run(both()) == {"a": 2, "b": 1}


def test_a_model_that_is_offered_later_is_answered_too() -> None:
    local = engine("a")
    local.offer("b", Placement("b"), Loader(1, batch_engine))
    local.offer("c", Placement("a"), Loader(1, batch_engine))

    told = run(local, *(greedy_request(PROMPT, 4, name) for name in ("a", "b", "c")))

    assert told == answers(batch_engine(), [greedy_request(PROMPT, 4)]) * 3


def test_random_aborts_leave_no_session_no_place_and_no_block() -> None:
    dice, kept = random.Random(7), batch_engine(60)
    pool = ModelPool({"m": Loader(1, lambda: kept)})
    local = LocalEngine(pool, {"m": Placement("m")}, max_running=8, max_waiting=8)

    async def abort_at_random() -> None:
        async def one() -> None:
            stream = await local.open(GenerationRequest("m", PROMPT * dice.randrange(1, 30), 40))
            for _ in range(dice.randrange(4)):
                await anext(stream)
            await stream.aclose()

        for _ in range(30):
            await asyncio.gather(*(one() for _ in range(12)))
        last = await local.open(GenerationRequest("m", PROMPT, 2))
        assert len([token.id async for token in last]) == 2
        await local.close()
        assert local.waiting() == {"m": 0}

    asyncio.run(abort_at_random())

    figures = kept.figures()
    assert (figures.running, figures.waiting, figures.cache_blocks_held) == (0, 0, 0)
    assert pool.loaded == []


def test_it_is_ready_when_its_models_are_loaded() -> None:
    local = engine("a", "b")

    async def warm() -> list[Any]:
        before = await local.ready()
        await local.warm_up()
        told = [before, await local.ready(), local.waiting()]
        await local.close()
        return told

    assert asyncio.run(warm()) == ["loading", "", {"a": 0, "b": 0}]


def test_a_model_that_it_does_not_have_is_refused() -> None:
    with pytest.raises(NotFound, match="no model x"):
        run(engine("m"), GenerationRequest("x", PROMPT, 1))
