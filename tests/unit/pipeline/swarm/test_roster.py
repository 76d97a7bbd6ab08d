# SPDX-License-Identifier: Apache-2.0
"""How long a trainer waits for its members depends on how much they are asked to send."""

import asyncio
from typing import Any

import pytest

from node0.pipeline.swarm.host_connection import HostConnection, MemberSpec
from node0.pipeline.swarm.roster import Roster
from node0.pipeline.swarm.swarm_settings import SwarmSettings
from node0.pipeline.swarm.swarm_state import Cut
from node0.server.host.stage_spec import StageTraining
from node0.server.stage.state_file import state_digest
from node0.swarm.transport.frames import Frame
from node0.swarm.transport.stream import SLOWEST

NO_PEER: Any = None
STATE = bytes(SLOWEST)


class Recording(HostConnection):
    """Holds a state, and remembers how long it was given for what."""

    given: dict[str, float]

    async def request(self, frame: Frame, *, deadline: float) -> Frame:
        self.given[frame.kind] = deadline
        return Frame("reply", {"version": 3, "sha256": state_digest(STATE), "stage": "all"}, (), STATE)


@pytest.mark.parametrize(("state_bytes", "seconds"), [(0, 5.0), (100 * SLOWEST, 105.0)])
def test_a_state_has_more_time_the_larger_it_is(state_bytes: int, seconds: float) -> None:
    async def find() -> list[MemberSpec]:
        return []

    settings = SwarmSettings(1, find, deadline=5.0, state_bytes=state_bytes)
    roster = Roster(NO_PEER, settings, StageTraining(base_digest="0", seed=0, lora=None, optimizer={}))
    member = Recording(NO_PEER, MemberSpec("x", stage=0), deadline=5.0, reports=roster.reports)
    member.given, member.lost_since, member.takes_part = {}, None, True
    roster._members["x"] = member

    async def move() -> None:
        assert await roster.fetch_states(3) == {0: STATE}
        await roster.checkpoint(1, 3, "")
        await roster.load_cut(Cut(3, {0: STATE}))

    asyncio.run(move())
    assert member.given == {"state": seconds, "shard": seconds, "load": 6.0}
