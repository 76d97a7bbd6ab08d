# SPDX-License-Identifier: Apache-2.0
import asyncio
from typing import Any

import pytest
from unit.pipeline.swarm.fake_hosts import TRAINING, FakeHost, settings

from node0.errors import ConfigError, RetriableError
from node0.pipeline.swarm.host_connection import HostConnection, MemberSpec
from node0.pipeline.swarm.reports import Reports
from node0.pipeline.swarm.state_sync import StateSync
from node0.pipeline.swarm.swarm_state import Cut
from node0.swarm.transport.frames import Frame

NO_PEER: Any = None
SYNC = StateSync(settings(num_stages=3, layers_per_stage=(1, 2, 1)), TRAINING)


class Direct(HostConnection):
    """Hands requests to a host without a stream."""

    def __init__(self, host: FakeHost) -> None:
        super().__init__(NO_PEER, MemberSpec("x", stage=1), deadline=1.0, reports=Reports())
        self.host, self.lost_since = host, None

    async def request(self, frame: Frame, *, deadline: float) -> Frame:
        (reply,) = self.host.answer(frame)
        if reply.kind == "error":
            raise (RetriableError if reply["retriable"] else ConfigError)(reply["text"])
        return reply


@pytest.fixture
def member() -> Direct:
    return Direct(FakeHost())


def test_a_reset_member_is_told_its_place_and_has_fresh_weights(member: Direct) -> None:
    asyncio.run(SYNC.reset(member))

    assert member.host.stage == 1
    assert (member.names, member.has_model, member.is_fresh) == (["w1"], True, True)


def test_a_state_is_given_fetched_and_copied(member: Direct) -> None:
    other = Direct(FakeHost())

    asyncio.run(SYNC.give(member, b"9"))
    asyncio.run(SYNC.copy(member, other))

    assert asyncio.run(SYNC.fetch(other)) == (9, b"9")
    assert not other.is_fresh


def test_a_damaged_state_is_fetched_again_later(member: Direct) -> None:
    member.host.refuses["state"] = Frame("reply", {"version": 1, "sha256": "0" * 64}, (), b"state")

    with pytest.raises(RetriableError, match="the state of stage 1 arrived damaged"):
        asyncio.run(SYNC.fetch(member))


def test_a_cut_without_states_is_a_reset(member: Direct) -> None:
    asyncio.run(SYNC.restore(member, Cut()))
    assert member.host.asked == {"reset": 1}

    asyncio.run(SYNC.restore(member, Cut(4, {1: b"4"})))
    assert (member.host.asked["load"], member.host.version) == (1, 4)


def test_fresh_weights_are_not_version_0_of_a_run_that_began_elsewhere(member: Direct) -> None:
    asyncio.run(SYNC.reset(member))

    assert asyncio.run(SYNC.go_back(member, 0, Cut()))
    assert not asyncio.run(SYNC.go_back(member, 0, Cut(0, {1: b"adapter"})))
    assert not asyncio.run(SYNC.go_back(member, 3, Cut()))


def test_a_host_that_cannot_write_its_shard_stops_nobody(
    member: Direct, caplog: pytest.LogCaptureFixture
) -> None:
    assert asyncio.run(SYNC.write_shard(member, Frame("shard"))) is not None
    member.host.refuses["shard"] = Frame("error", {"text": "disk full", "retriable": False})

    assert asyncio.run(SYNC.write_shard(member, Frame("shard"))) is None
    assert "the checkpoint lacks a shard: disk full" in caplog.text
