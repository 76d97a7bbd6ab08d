# SPDX-License-Identifier: Apache-2.0
"""An engine over fake stages: joined once, asked together, left at any time."""

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from batch_parts import GREEDY
from unit.pipeline.swarm.fake_hosts import TRAINING, CountingHost, FakePeer, Stages

from node0.errors import ConfigError, EngineBusy, EngineUnavailable, NotFound, SwarmTimeout
from node0.finetune.serving.constraint import AnswerForm, Constraint
from node0.finetune.serving.engines.stages_engine import RunStages, StagesEngine
from node0.finetune.serving.engines.token_engine import GenerationRequest
from node0.pipeline.swarm.host_connection import MemberSpec
from node0.pipeline.swarm.swarm_state import Cut
from node0.swarm.run.swarm_run import SwarmRun


class Joined:
    """Stages that are there, or that are waited for until they are left."""

    def __init__(self, *, are_there: bool = True) -> None:
        self.host, self.joins = CountingHost(), 0
        self.left = threading.Event()
        self._are_there = are_there
        self._stages: Stages | None = None

    def join(self) -> Stages:
        """Find them."""
        self.joins += 1
        if not self._are_there:
            assert self.left.wait(20)
            raise EngineUnavailable("the server is being shut down; ask again later")
        self._stages = Stages(FakePeer(a=self.host), MemberSpec("a", stage=0), new_host=CountingHost)
        return self._stages

    def close(self) -> None:
        """Leave them."""
        self.left.set()
        if self._stages is not None:
            self._stages.close()


@pytest.fixture
def joined() -> Iterator[Joined]:
    yield Joined()


def request(length: int = 3, count: int = 4, **changes: Any) -> GenerationRequest:
    return GenerationRequest(
        **{"model": "m", "prompt": (1,) * length, "max_tokens": count, "sampling": GREEDY, **changes}
    )


async def ids_of(engine: StagesEngine, asked: GenerationRequest) -> list[int]:
    return [token.id async for token in await engine.open(asked)]


def test_requests_are_answered_together_over_stages_that_are_joined_once(joined: Joined) -> None:
    async def run() -> list[list[int]]:
        engine = StagesEngine("m", joined)
        assert await engine.ready() == "waiting for the stages"
        told = await asyncio.gather(*(ids_of(engine, request(length)) for length in (3, 5, 70)))
        await engine.warm_up()
        assert (await engine.ready(), engine.waiting(), engine.figures()) == ("", {"m": 0}, {})
        await engine.close()
        return told

    assert asyncio.run(run()) == [[3, 4, 5, 6], [5, 6, 7, 8], [70, 71, 72, 73]]
    assert (joined.joins, joined.host.held) == (1, {})


def test_what_it_cannot_do_is_refused_at_once(joined: Joined) -> None:
    class Mask:
        """Allows everything."""

        def allowed(self) -> None:
            return None

        def accept(self, token_id: int) -> None:
            pass

    async def run() -> None:
        engine = StagesEngine("m", joined)
        with pytest.raises(NotFound, match="no model other"):
            await engine.open(request(model="other"))
        form = AnswerForm(Constraint(schema={"type": "object"}), "tagged")
        for wish in ({"logprobs": 0}, {"mask": Mask()}, {"form": form}):
            with pytest.raises(
                ConfigError, match="draws ids, tells no log probabilities and holds no answer"
            ):
                await engine.open(request(**wish))
        await engine.close()

    asyncio.run(run())
    assert joined.joins == 0


def test_an_answer_that_is_cancelled_gives_back_place_and_caches(joined: Joined) -> None:
    async def run() -> None:
        engine = StagesEngine("m", joined, max_running=1, max_waiting=0)
        joined.host.goes_on.clear()
        stream = await engine.open(request(count=100_000))
        assert (await anext(stream)).id == 3
        with pytest.raises(EngineBusy):
            await engine.open(request())
        joined.host.goes_on.set()

        await stream.aclose()

        assert engine.waiting() == {"m": 0}
        assert await ids_of(engine, request(5, 2)) == [5, 6]
        assert joined.host.held == {}
        await engine.close()

    asyncio.run(run())


def test_a_server_ends_while_it_waits_for_stages() -> None:
    absent = Joined(are_there=False)

    async def run() -> None:
        engine = StagesEngine("m", absent)
        stream = await engine.open(request())
        warming = asyncio.ensure_future(engine.warm_up())
        await asyncio.sleep(0.05)
        began = time.monotonic()
        await engine.close()
        assert time.monotonic() - began < 20
        for waiting in (anext(stream), warming):
            with pytest.raises(EngineUnavailable, match="shut down"):
                await waiting

    asyncio.run(run())


def test_stages_that_cannot_be_joined_are_an_error_of_the_start() -> None:
    class Missing(Joined):
        """A stage that nobody holds."""

        def join(self) -> Stages:
            raise SwarmTimeout("nobody holds head-0")

    async def run() -> None:
        engine = StagesEngine("m", Missing())
        try:
            with pytest.raises(SwarmTimeout, match="nobody holds head-0"):
                await engine.warm_up()
        finally:
            await engine.close()

    asyncio.run(run())


def test_a_run_that_was_left_is_not_joined_any_more(tmp_path: Path) -> None:
    stages = RunStages(SwarmRun(), tmp_path, TRAINING, Cut())
    stages.close()

    with pytest.raises(EngineUnavailable, match="shut down"):
        stages.join()
    assert list(tmp_path.iterdir()) == []
