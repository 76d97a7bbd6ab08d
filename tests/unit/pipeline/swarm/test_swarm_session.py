# SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterator

import pytest
from unit.pipeline.swarm.fake_hosts import FakeHost, FakePeer, Stages

from node0.errors import ConfigError, RetriableError
from node0.pipeline.protocol import SamplingParams
from node0.pipeline.swarm.host_connection import MemberSpec
from node0.pipeline.swarm.swarm_session import SwarmSession
from node0.swarm.transport.frames import Frame


@pytest.fixture
def stages() -> Iterator[Stages]:
    made = Stages(FakePeer(a=FakeHost()), MemberSpec("a", stage=0))
    yield made
    made.close()


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
    # The whole sequence went through the new host, in the pieces that it had before.
    assert stages.peer.hosts["a"].kept == [0, 3]


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
