# SPDX-License-Identifier: Apache-2.0
"""What is asked of all stages: whom the answer is taken from, and how long it is waited for."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import torch
from unit.pipeline.swarm.fake_hosts import TRAINING, FakeHost, FakePeer, settings

from node0.errors import RetriableError, SwarmTimeout
from node0.pipeline.protocol import Microbatch
from node0.pipeline.swarm import roster as roster_module
from node0.pipeline.swarm.host_connection import HostConnection, MemberSpec
from node0.pipeline.swarm.reports import Reports
from node0.pipeline.swarm.roster import Roster
from node0.pipeline.swarm.stage_calls import StageCalls
from node0.pipeline.swarm.state_sync import StateSync
from node0.pipeline.swarm.swarm_settings import SwarmSettings
from node0.pipeline.swarm.swarm_state import Cut
from node0.server.stage.state_file import state_digest
from node0.swarm.transport.frames import Frame
from node0.swarm.transport.stream import SLOWEST

NO_PEER: Any = None
STATE = bytes(SLOWEST)
SCORES = Frame("scores", {"request": "r"}, [torch.ones(3)])
LOST = {"peer": "far", "why": "it closed the stream"}


def _stages(given: SwarmSettings, peer: Any = None) -> tuple[Roster, StageCalls]:
    sync = StateSync(given, TRAINING)
    roster = Roster(peer, given, sync)
    return roster, StageCalls(roster, given, sync)


def _member(peer_id: str, reports: Reports[HostConnection]) -> HostConnection:
    return HostConnection(NO_PEER, MemberSpec(peer_id, stage=0), deadline=1.0, reports=reports)


async def _chatter(reports: Reports[HostConnection], member: HostConnection, frame: Frame) -> None:
    while True:
        reports.put(member, frame)
        await asyncio.sleep(0.01)


async def _beside(chatter: Awaitable[None], work: Callable[[], Awaitable[Any]]) -> Any:
    task = asyncio.ensure_future(chatter)
    try:
        return await asyncio.wait_for(work(), 5.0)
    finally:
        task.cancel()


class Recording(HostConnection):
    """Holds a state, and remembers how long it was given for what."""

    given: dict[str, float]

    async def request(self, frame: Frame, *, deadline: float) -> Frame:
        self.given[frame.kind] = deadline
        return Frame("reply", {"version": 3, "sha256": state_digest(STATE), "stage": "all"}, (), STATE)


@pytest.mark.parametrize(("state_bytes", "seconds"), [(0, 5.0), (100 * SLOWEST, 105.0)])
def test_a_state_has_more_time_the_larger_it_is(state_bytes: int, seconds: float) -> None:
    roster, calls = _stages(settings(deadline=5.0, state_bytes=state_bytes))
    member = Recording(NO_PEER, MemberSpec("x", stage=0), deadline=5.0, reports=roster.reports)
    member.given, member.lost_since, member.takes_part = {}, None, True
    roster._members["x"] = member

    async def move() -> None:
        assert await calls.fetch_states(3) == {0: STATE}
        await calls.checkpoint(1, 3, "")
        await calls.load_cut(Cut(3, {0: STATE}))

    asyncio.run(move())
    assert member.given == {"state": seconds, "shard": seconds, "load": 6.0}


def test_chatter_gives_no_more_time_to_what_is_waited_for() -> None:
    roster, calls = _stages(settings(deadline=0.1))
    member = _member("x", roster.reports)
    chatter = Frame("token", {"session": "s", "turn": 1, "token": 2})

    async def score() -> None:
        await calls.hear("scores", ("request", "r"), [member])

    with pytest.raises(SwarmTimeout, match=r"no stage answered within 0.1 s"):
        asyncio.run(_beside(_chatter(roster.reports, member, chatter), score))


def test_the_report_that_is_waited_for_is_heard_among_others() -> None:
    roster, calls = _stages(settings())
    member, outsider = _member("x", roster.reports), _member("y", roster.reports)
    roster.reports.gone(outsider, "it closed the stream")
    roster.reports.put(outsider, SCORES)
    roster.reports.put(member, Frame("lost", LOST))
    roster.reports.put(member, Frame("scores", {"request": "q"}, [torch.zeros(1)]))
    roster.reports.put(member, SCORES)

    assert asyncio.run(calls.hear("scores", ("request", "r"), [member])) == SCORES


def test_what_the_tail_owes_is_taken_from_nobody_else() -> None:
    roster, calls = _stages(settings())
    head, tail = _member("x", roster.reports), _member("y", roster.reports)
    forged = Frame("scores", {"request": "r"}, [torch.zeros(3)])
    roster.reports.put(head, forged)
    roster.reports.put(tail, SCORES)

    found = asyncio.run(calls.hear("scores", ("request", "r"), [head, tail]))

    assert torch.equal(found.tensors[0], SCORES.tensors[0])
    assert not torch.equal(found.tensors[0], forged.tensors[0])


def test_stages_are_asked_in_order_and_answer_for_all() -> None:
    peer = FakePeer(a=FakeHost(), b=FakeHost())
    given = settings(MemberSpec("a", stage=0), MemberSpec("b", stage=1), num_stages=2)
    roster, calls = _stages(given, peer)
    ids = torch.zeros(2, 4, dtype=torch.int64)

    async def ask() -> tuple[list[list[str]], dict[str, str], dict[int, bytes]]:
        assert await roster.recover(0, Cut())
        return await calls.names(), await calls.checkpoint(4, 0, ""), await calls.fetch_states(0)

    names, digests, states = peer.run(ask(), timeout=None)
    with pytest.raises(RetriableError, match=r"stages are at versions \[0, 0\], not at 3"):
        peer.run(calls.fetch_states(3), timeout=None)
    # The head of this fake answers for the tail, and is not listened to.
    with pytest.raises(SwarmTimeout, match="no stage answered"):
        short = settings(MemberSpec("a", stage=0), MemberSpec("b", stage=1), num_stages=2, deadline=0.1)
        calls._settings = short
        peer.run(calls.score(Microbatch(ids, ids, ids), adapter=True), timeout=None)
    peer.run(roster.close(), timeout=None)
    peer.close()

    assert names == [["w0"], ["w1"]]
    assert digests == {"head-0": "000", "tail-1": "111"}
    assert states == {0: b"fresh", 1: b"fresh"}


def test_a_batch_is_scored_by_the_only_stage() -> None:
    peer = FakePeer(a=FakeHost())
    roster, calls = _stages(settings(MemberSpec("a", stage=0)), peer)
    ids = torch.zeros(2, 4, dtype=torch.int64)

    async def score() -> torch.Tensor:
        await roster.recover(0, Cut())
        return await calls.score(Microbatch(ids, ids, ids), adapter=False)

    found = peer.run(score(), timeout=None)
    peer.run(roster.close(), timeout=None)
    peer.close()

    assert torch.equal(found, torch.ones(2, 4))


def test_a_late_member_that_cannot_be_made_ready_disturbs_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roster_module, "WATCH_EVERY", 0.01)
    peer, late = FakePeer(a=FakeHost()), FakeHost()
    late.refuses["load"] = Frame("error", {"text": "the state's digest is wrong", "retriable": True})
    roster, calls = _stages(settings(MemberSpec("a", stage=0), MemberSpec("b", stage=0)), peer)

    async def admit(loads: int) -> list[str]:
        while late.asked["load"] < loads:
            await calls.admit()
            await asyncio.sleep(0.01)
        return [member.peer_id for members in calls.route() for member in members]

    peer.run(roster.recover(0, Cut()), timeout=None)
    peer.hosts["b"] = late
    assert peer.run(admit(1), timeout=None) == ["a"]
    late.refuses.clear()
    assert peer.run(admit(late.asked["load"] + 1), timeout=None) == ["a", "b"]
    peer.run(roster.close(), timeout=None)
    peer.close()
