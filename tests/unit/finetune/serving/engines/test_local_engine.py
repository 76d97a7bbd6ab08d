# SPDX-License-Identifier: Apache-2.0
import asyncio
import random
from collections.abc import Sequence
from typing import Any

import pytest

from node0.errors import NotFound
from node0.finetune.serving.engines.local_engine import LocalEngine
from node0.finetune.serving.engines.model_pool import Loader, ModelPool
from node0.finetune.serving.engines.prefix_reuse import ReusingPipeline
from node0.finetune.serving.engines.token_engine import GenerationRequest
from node0.models.factory import build_stages
from node0.models.llama.arguments import LlamaArguments
from node0.pipeline.local import LocalPipeline
from node0.pipeline.local_session import LocalSession
from node0.pipeline.protocol import SamplingParams

ARGS = LlamaArguments(hidden_dim=16, n_heads=2, n_kv_heads=1, num_hidden_layers=1, ffn_dim=32, vocab_size=64)
PROMPT = (3, 5, 7)


def pipeline() -> LocalPipeline:
    return LocalPipeline([stage.eval() for stage in build_stages(ARGS, 1, seed=3)])


def engine(*names: str, **budget: int) -> LocalEngine:
    pool = ModelPool({name: Loader(1, lambda: ReusingPipeline(pipeline())) for name in names}, **budget)
    return LocalEngine(pool, dict.fromkeys(names, 64))


def run(local: LocalEngine, *requests: GenerationRequest) -> list[list[int]]:
    async def all_of_them() -> list[list[int]]:
        async def one(request: GenerationRequest) -> list[int]:
            return [token.id async for token in await local.open(request)]

        try:
            return await asyncio.gather(*map(one, requests))
        finally:
            await local.close()

    return asyncio.run(all_of_them())


def greedy(prompt: Sequence[int], n: int) -> list[int]:
    session = pipeline().session(SamplingParams(temperature=0), max_length=64)
    ids = [session.extend(prompt)]
    while len(ids) < n:
        ids.append(session.extend([ids[-1]]))
    return ids


def test_the_answer_is_what_the_pipeline_says() -> None:
    request = GenerationRequest("m", PROMPT, 6, sampling=SamplingParams(temperature=0))

    assert run(engine("m"), request) == [greedy(PROMPT, 6)]


def test_requests_beside_each_other_are_answered_as_if_alone() -> None:
    drawn = SamplingParams(temperature=1.0, seed=11)
    requests = [GenerationRequest(name, PROMPT, 5, sampling=drawn) for name in ("a", "b", "a", "b")]
    alone = run(engine("a"), requests[0])[0]

    assert run(engine("a", "b", max_loaded=1), *requests) == [alone] * 4


def test_an_answer_ends_at_a_stop_id() -> None:
    ids = greedy(PROMPT, 6)
    request = GenerationRequest("m", PROMPT, 6, (ids[2],), SamplingParams(temperature=0))

    assert run(engine("m"), request) == [ids[: ids.index(ids[2])]]


def test_random_aborts_leave_no_session_no_place_and_no_user_of_a_model() -> None:
    opened, alive, dice = [], set(), random.Random(7)

    class Watched(LocalPipeline):
        def session(self, *args: Any, **options: Any) -> LocalSession:
            session = super().session(*args, **options)
            opened.append(session)
            alive.add(id(session))
            close = session.close
            session.close = lambda: (alive.discard(id(session)), close())[1]  # type: ignore[method-assign]  # counted
            return session

    pool = ModelPool({"m": Loader(1, lambda: ReusingPipeline(Watched(pipeline().stages)))})
    local = LocalEngine(pool, {"m": 64}, max_waiting=8)

    async def abort_at_random() -> None:
        async def one() -> None:
            stream = await local.open(GenerationRequest("m", PROMPT, 40))
            for _ in range(dice.randrange(4)):
                await anext(stream)
            await stream.aclose()

        for _ in range(60):
            await asyncio.gather(*(one() for _ in range(8)))
        last = await local.open(GenerationRequest("m", PROMPT, 2))
        assert len([token_id async for token_id in last]) == 2
        await local.close()
        assert local.waiting() == {"m": 0}

    asyncio.run(abort_at_random())

    assert opened and not alive
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
