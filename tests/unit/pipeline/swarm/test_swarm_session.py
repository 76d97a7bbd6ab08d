# SPDX-License-Identifier: Apache-2.0
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from unit.pipeline.swarm.fake_hosts import TRAINING, FakeHost, FakePeer, settings

from node0.errors import ConfigError, RetriableError
from node0.pipeline.protocol import SamplingParams
from node0.pipeline.swarm.host_connection import MemberSpec
from node0.pipeline.swarm.retry_budget import RetryBudget
from node0.pipeline.swarm.roster import Roster
from node0.pipeline.swarm.stage_calls import StageCalls
from node0.pipeline.swarm.state_sync import StateSync
from node0.pipeline.swarm.swarm_session import SwarmSession
from node0.pipeline.swarm.swarm_state import Cut
from node0.swarm.transport.frames import Frame


class Stages:
    """One stage at a fake host, with recovery."""

    def __init__(self, peer: Any) -> None:
        given = settings(MemberSpec("a", stage=0))
        sync = StateSync(given, TRAINING)
        self.peer, self.roster, self.recovered = peer, Roster(peer, given, sync), 0
        self.stages = StageCalls(self.roster, given, sync)
        self.run(lambda: self.roster.recover(0, Cut()))

    def run(self, call: Callable[[], Awaitable[Any]]) -> Any:
        async def awaited() -> Any:
            return await call()

        return self.peer.run(awaited(), timeout=None)

    def retry_budget(self) -> RetryBudget:
        return RetryBudget(60.0)

    def recover(self, fault: RetriableError) -> None:
        self.recovered += 1
        self.peer.hosts["a"] = FakeHost()
        self.run(lambda: self.roster.recover(0, Cut()))


@pytest.fixture
def stages() -> Iterator[Stages]:
    made = Stages(FakePeer(a=FakeHost()))
    yield made
    made.run(made.roster.close)
    made.peer.close()


def _session(stages: Stages, *, max_length: int = 10) -> SwarmSession:
    return SwarmSession(stages, SamplingParams(seed=3), max_length=max_length)


def test_ids_are_appended_and_the_next_one_comes_back(stages: Stages) -> None:
    session = _session(stages)

    assert [session.extend([1, 2, 3]), session.extend([101]), len(session)] == [101, 102, 4]
    session.rollback(2)
    assert session.extend([9]) == 103
    assert stages.peer.hosts["a"].kept == [0, 3, 2]


def test_a_sequence_outlives_a_loss_of_its_stage(stages: Stages) -> None:
    session = _session(stages)
    session.extend([1, 2, 3])
    stages.peer.lose("a")

    session.extend([4])

    assert stages.recovered == 1 and len(session) == 4
    # The whole sequence went through the new host at once.
    assert stages.peer.hosts["a"].kept == [0]


def test_a_stage_that_refuses_twice_for_its_own_reason_is_not_asked_again(stages: Stages) -> None:
    refusal = Frame("error", {"text": "caches are full", "retriable": True})
    stages.peer.hosts["a"].refuses["open"] = refusal
    recover = stages.recover

    def recover_and_refuse(fault: RetriableError) -> None:
        stages.recovered += 1

    stages.recover = recover_and_refuse  # type: ignore[method-assign]  # the host stays as it is
    with pytest.raises(RetriableError, match="caches are full"):
        _session(stages).extend([1])
    stages.recover = recover  # type: ignore[method-assign]  # as before
    assert stages.recovered == 1


def test_a_session_refuses_no_ids_too_many_and_its_own_end(stages: Stages) -> None:
    session = _session(stages, max_length=3)
    session.extend([1, 2])

    with pytest.raises(ConfigError, match="give at least one id"):
        session.extend([])
    with pytest.raises(ConfigError, match="4 tokens does not fit this session's 3"):
        session.extend([3, 4])
    session.close()
    with pytest.raises(ConfigError, match="session is closed"):
        session.extend([3])
    assert stages.peer.hosts["a"].asked["close"] == 1
