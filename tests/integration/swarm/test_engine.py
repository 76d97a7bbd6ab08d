# SPDX-License-Identifier: Apache-2.0
"""An engine over real peers of this process: the ids of one process, and caches that are freed."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from integration.swarm.in_process import Recipe, Swarm, batch, leave, local, swarm, training
from integration.swarm.processes import wait_until

from node0.errors import EngineUnavailable
from node0.finetune.serving.engines.stages_engine import StagesEngine
from node0.finetune.serving.engines.token_engine import GenerationRequest
from node0.models.llama.arguments import LlamaArguments
from node0.pipeline.local import LocalPipeline
from node0.pipeline.protocol import SamplingParams, TrainStep
from node0.pipeline.swarm.host_connection import MemberSpec
from node0.pipeline.swarm.swarm_pipeline import SwarmPipeline
from node0.pipeline.swarm.swarm_sequence import SwarmSequence
from node0.pipeline.swarm.swarm_settings import SwarmSettings
from node0.swarm.peer.peer import Peer, PeerSettings

pytestmark = pytest.mark.integration

ARGS: LlamaArguments = Recipe().args.model_copy(update={"max_seq_len": 512})
RECIPE = Recipe(args=ARGS)
GREEDY, DRAWN = SamplingParams(temperature=0), SamplingParams(temperature=0.9, seed=4)


class Joined:
    """Stages that a test has joined, and ends itself."""

    def __init__(self, pipeline: SwarmPipeline) -> None:
        self._pipeline = pipeline

    def join(self) -> SwarmPipeline:
        """They are there."""
        return self._pipeline

    def close(self) -> None:
        """The test's own affair."""


@contextmanager
def scene(
    directory: Path, *members: int, cache_budget: int | None = None
) -> Iterator[tuple[Swarm, LocalPipeline]]:
    """Stages at these places after a step of training, and the same model in one pipeline."""
    one = local(RECIPE)
    with swarm(directory, RECIPE, members=members, cache_budget=cache_budget) as many:
        for pipeline in (one, many.pipeline):
            pipeline.train_step(batch(0), TrainStep(0, 1e-2))
        yield many, one


def request(length: int, count: int, sampling: SamplingParams = GREEDY) -> GenerationRequest:
    return GenerationRequest(
        "m", tuple(number * 7 % 97 for number in range(length)), count, sampling=sampling
    )


def expected(one: LocalPipeline, asked: GenerationRequest) -> list[int]:
    """What one process answers, id after id."""
    session = one.session(asked.sampling, max_length=len(asked.prompt) + asked.max_tokens)
    ids = [session.extend(asked.prompt)]
    while len(ids) < asked.max_tokens:
        ids.append(session.extend(ids[-1:]))
    return ids


async def ids_of(engine: StagesEngine, asked: GenerationRequest) -> list[int]:
    return [token.id async for token in await engine.open(asked)]


def cached(many: Swarm) -> list[int]:
    """Bytes that each stage holds for sequences."""
    return [0 if host.stage.decoder is None else host.stage.decoder.nbytes for host in many.hosts]


def answered(many: Swarm, *asked: GenerationRequest, max_running: int = 8) -> list[list[int]]:
    async def run() -> list[list[int]]:
        engine = StagesEngine("m", Joined(many.pipeline), max_running=max_running)
        try:
            return await asyncio.gather(*(ids_of(engine, each) for each in asked))
        finally:
            await engine.close()

    return asyncio.run(run())


def test_eight_of_mixed_lengths_get_the_ids_of_one_process_and_leave_no_cache(tmp_path: Path) -> None:
    lengths = (1, 3, 64, 65, 130, 200, 7, 300)
    asked = [request(length, 20, (GREEDY, DRAWN)[number % 2]) for number, length in enumerate(lengths)]

    with scene(tmp_path, 0, 1, 2) as (many, one):
        found = answered(many, *asked)

        assert found == [expected(one, each) for each in asked]
        assert wait_until(lambda: cached(many) == [0, 0, 0], 60)


def test_a_stage_lost_in_mid_answer_changes_no_id(tmp_path: Path) -> None:
    asked = [request(70, 60, DRAWN), request(5, 60)]

    async def run(many: Swarm) -> list[list[int]]:
        engine = StagesEngine("m", Joined(many.pipeline))
        streams = [await engine.open(each) for each in asked]
        told = [[(await anext(stream)).id for _ in range(10)] for stream in streams]
        await asyncio.to_thread(leave, many, 1)
        for ids, stream in zip(told, streams, strict=True):
            ids += [token.id async for token in stream]
        await engine.close()
        return told

    with scene(tmp_path, 0, 1, 2, 1) as (many, one):
        found = asyncio.run(run(many))

        assert found == [expected(one, each) for each in asked]
        assert wait_until(lambda: cached(many) == [0, 0, 0], 60)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers of hundreds of ids that are not done before the test has seen to what it is about."""
    send = SwarmSequence.send

    async def sent_late(sequence: SwarmSequence) -> None:
        await asyncio.sleep(0.05)
        await send(sequence)

    monkeypatch.setattr(SwarmSequence, "send", sent_late)


@pytest.mark.usefixtures("slow")
def test_a_client_that_leaves_frees_the_caches_of_all_stages(tmp_path: Path) -> None:
    async def run(many: Swarm) -> None:
        engine = StagesEngine("m", Joined(many.pipeline))
        streams = [await engine.open(request(20, 400)) for _ in range(3)]
        for stream in streams:
            await anext(stream)
        assert all(cached(many))
        for stream in streams:
            await stream.aclose()
        assert await asyncio.to_thread(wait_until, lambda: cached(many) == [0, 0, 0], 60)
        assert len(await ids_of(engine, request(4, 3))) == 3
        await engine.close()

    with scene(tmp_path, 0, 1, 2) as (many, _):
        asyncio.run(run(many))


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("asked_before", [0, 3])
def test_stages_that_another_one_leads_give_no_ids_of_other_weights(
    asked_before: int, tmp_path: Path
) -> None:
    async def run(many: Swarm, others: Peer) -> None:
        engine = StagesEngine("m", Joined(many.pipeline))
        stream = await engine.open(request(20, 400))
        told = [(await anext(stream)).id for _ in range(asked_before)]
        if not told:
            await stream.aclose()
        await asyncio.to_thread(lead, others, many)
        for number in range(6):
            asking = stream if told and number == 0 else await engine.open(request(20, 3))
            with pytest.raises(EngineUnavailable, match="another trainer leads this run"):
                async for _ in asking:
                    pass
        await engine.close()

    with scene(tmp_path / "s", 0, 1, 2) as (many, _):
        others = Peer(PeerSettings(tmp_path / "others", initial_peers=many.peers[0].addresses))
        try:
            asyncio.run(run(many, others))
        finally:
            others.close()


def lead(peer: Peer, many: Swarm) -> SwarmPipeline:
    """Take the stages over, with fresh weights."""

    async def find() -> list[MemberSpec]:
        return many.specs

    settings = SwarmSettings(RECIPE.num_stages, find, deadline=30.0, patience=30.0)
    return SwarmPipeline(peer, settings, training(RECIPE), max_grad_norm=None)


def test_stages_with_little_room_answer_one_after_the_other(tmp_path: Path) -> None:
    asked = [request(30, 20, DRAWN) for _ in range(4)]
    each = max(executor.new_sequence(50).nbytes for executor in local(RECIPE).executors)
    most, done = [0], threading.Event()

    def watch(many: Swarm) -> None:
        while not done.wait(0.001):
            most[0] = max(most[0], *cached(many))

    with scene(tmp_path, 0, 1, 2, cache_budget=2 * each) as (many, one):
        watching = threading.Thread(target=watch, args=[many])
        watching.start()
        try:
            found = answered(many, *asked)
        finally:
            done.set()
            watching.join()

        assert found == [expected(one, asked[0])] * 4
    assert 0 < most[0] <= 2 * each
