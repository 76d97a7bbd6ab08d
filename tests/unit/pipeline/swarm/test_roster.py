# SPDX-License-Identifier: Apache-2.0
import asyncio
from collections.abc import Iterator

import pytest
from unit.pipeline.swarm.fake_hosts import TRAINING, FakeHost, FakePeer, settings

from node0.errors import ConfigError, StageLost, SwarmTimeout
from node0.pipeline.swarm import roster as module
from node0.pipeline.swarm.host_connection import MemberSpec
from node0.pipeline.swarm.roster import Roster
from node0.pipeline.swarm.state_sync import StateSync
from node0.pipeline.swarm.swarm_settings import SwarmSettings
from node0.pipeline.swarm.swarm_state import Cut
from node0.swarm.transport.frames import Frame

TWO = MemberSpec("a", stage=0), MemberSpec("b", stage=1)


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakePeer]:
    monkeypatch.setattr(module, "LOOK_EVERY", 0.01)
    made = FakePeer(a=FakeHost(), b=FakeHost(), spare=FakeHost())
    yield made
    made.close()


def _roster(peer: object, given: SwarmSettings) -> Roster:
    return Roster(peer, given, StateSync(given, TRAINING))  # type: ignore[arg-type]  # a fake peer


def _ids(roster: Roster) -> list[list[str]]:
    return [[member.peer_id for member in members] for members in roster.route()]


def test_nobody_is_routed_before_anybody_was_found(peer: FakePeer) -> None:
    with pytest.raises(SwarmTimeout, match="nobody holds head-0, tail-1"):
        _roster(peer, settings(*TWO, num_stages=2)).route()


def test_every_stage_is_found_made_ready_and_introduced(peer: FakePeer) -> None:
    roster = _roster(peer, settings(*TWO, num_stages=2))

    assert peer.run(roster.recover(0, Cut()), timeout=None)

    assert _ids(roster) == [["a"], ["b"]]
    for name in ("a", "b"):
        assert peer.hosts[name].asked == {"hello": 1, "reset": 1, "neighbours": 1, "abort": 1}


def test_a_spare_takes_the_place_of_a_lost_stage_at_the_cut(peer: FakePeer) -> None:
    roster = _roster(peer, settings(*TWO, MemberSpec("spare"), num_stages=2))
    peer.run(roster.recover(0, Cut()), timeout=None)
    peer.hosts["a"].version = 7
    peer.lose("b")

    is_there = peer.run(roster.recover(7, Cut(5, {0: b"5", 1: b"5"})), timeout=None)

    assert not is_there
    assert _ids(roster) == [["a"], ["spare"]]
    assert [peer.hosts[name].version for name in ("a", "spare")] == [5, 5]


def test_a_replica_that_is_behind_gets_the_state_of_the_other(peer: FakePeer) -> None:
    given = settings(MemberSpec("a", stage=0), MemberSpec("b", stage=0))
    roster = _roster(peer, given)
    peer.run(roster.recover(0, Cut()), timeout=None)
    peer.hosts["a"].version, peer.hosts["a"].state = 7, b"7"

    assert peer.run(roster.recover(7, Cut()), timeout=None)

    assert peer.hosts["b"].version == 7
    assert peer.hosts["b"].asked["load"] == 1


def test_a_stage_that_stays_away_is_given_up(peer: FakePeer) -> None:
    del peer.hosts["b"]
    roster = _roster(peer, settings(*TWO, num_stages=2, patience=0.05))

    with pytest.raises(SwarmTimeout, match="nobody holds tail-1; waited 0 s, start a host for it or a spare"):
        peer.run(roster.recover(0, Cut()), timeout=None)


def test_a_replica_that_cannot_be_used_is_done_without(
    peer: FakePeer, caplog: pytest.LogCaptureFixture
) -> None:
    peer.hosts["b"].refuses["reset"] = Frame("error", {"text": "another base", "retriable": False})
    roster = _roster(peer, settings(MemberSpec("a", stage=0), MemberSpec("b", stage=0)))

    assert peer.run(roster.recover(0, Cut()), timeout=None)

    assert _ids(roster) == [["a"]]
    assert "a member cannot take part: peer b says 'another base'" in caplog.text


def test_the_only_holder_of_a_stage_that_cannot_be_used_ends_the_run(peer: FakePeer) -> None:
    peer.hosts["b"].refuses["reset"] = Frame("error", {"text": "another base", "retriable": False})
    roster = _roster(peer, settings(*TWO, num_stages=2))

    with pytest.raises(ConfigError, match="peer b says 'another base'"):
        peer.run(roster.recover(0, Cut()), timeout=None)


def test_after_a_recovery_that_failed_nobody_is_routed_before_the_next(peer: FakePeer) -> None:
    roster = _roster(peer, settings(*TWO, num_stages=2))
    peer.run(roster.recover(0, Cut()), timeout=None)
    peer.hosts["b"].refuses["abort"] = Frame("error", {"text": "another leads", "retriable": False})

    with pytest.raises(ConfigError, match="another leads"):
        peer.run(roster.recover(0, Cut()), timeout=None)
    with pytest.raises(SwarmTimeout, match="nobody holds head-0, tail-1"):
        roster.route()

    peer.hosts["b"].refuses.clear()
    assert peer.run(roster.recover(0, Cut()), timeout=None)
    assert _ids(roster) == [["a"], ["b"]]


@pytest.fixture
def late(peer: FakePeer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Roster]:
    """A roster of a stage with one member, to which another has come since that is not part of it yet."""
    monkeypatch.setattr(module, "WATCH_EVERY", 0.01)
    waiting = peer.hosts.pop("b")
    roster = _roster(peer, settings(MemberSpec("a", stage=0), MemberSpec("b", stage=0)))
    peer.run(roster.recover(0, Cut()), timeout=None)
    peer.hosts["b"] = waiting

    async def come() -> None:
        await roster.admit()
        while not waiting.asked["reset"]:
            await asyncio.sleep(0.01)
        for _ in range(20):  # the reply is heard
            await asyncio.sleep(0)

    peer.run(come(), timeout=None)
    yield roster
    peer.run(roster.close(), timeout=None)


def test_a_member_that_cannot_be_used_is_named_once_whoever_finds_out(
    peer: FakePeer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "WATCH_EVERY", 0.01)
    peer.hosts["b"].refuses["reset"] = Frame("error", {"text": "another base", "retriable": False})
    roster = _roster(peer, settings(MemberSpec("a", stage=0), MemberSpec("b", stage=0)))
    peer.run(roster.recover(0, Cut()), timeout=None)

    async def watched() -> None:
        for member in roster._members.values():
            member.close("the machine is busy")
        asked = peer.hosts["b"].asked["reset"]
        await roster.admit()
        while peer.hosts["b"].asked["reset"] < asked + 2:
            await asyncio.sleep(0.01)

    peer.run(watched(), timeout=None)
    peer.run(roster.close(), timeout=None)

    assert caplog.text.count("cannot take part: peer b says 'another base'") == 1


def test_a_late_member_takes_part_with_the_state_of_another(late: Roster, peer: FakePeer) -> None:
    peer.hosts["a"].state = b"7"

    peer.run(late.admit(), timeout=None)

    assert _ids(late) == [["a", "b"]]
    assert peer.hosts["b"].version == 7


def test_a_late_member_that_refuses_the_state_ends_nothing_and_is_not_asked_again(
    late: Roster, peer: FakePeer
) -> None:
    peer.hosts["b"].refuses["load"] = Frame("error", {"text": "no memory", "retriable": False})

    for _ in range(3):
        peer.run(late.admit(), timeout=None)

    assert _ids(late) == [["a"]]
    assert peer.hosts["b"].asked["load"] == 1


@pytest.mark.parametrize("before", [False, True])
def test_nobody_waits_for_a_lost_stage_once_the_run_is_to_end(peer: FakePeer, before: bool) -> None:
    roster = _roster(peer, settings(*TWO, num_stages=2, patience=300.0))
    peer.run(roster.recover(0, Cut()), timeout=None)
    peer.lose("b")
    if before:
        roster.stop_waiting()
    else:
        peer.loop.call_later(0.05, roster.stop_waiting)

    with pytest.raises(StageLost, match="the run is to end"):
        peer.run(roster.recover(0, Cut()), timeout=None)
    with pytest.raises(SwarmTimeout, match="nobody holds head-0, tail-1"):
        roster.route()


def test_a_peer_that_lost_its_daemon_waits_for_nobody(peer: FakePeer) -> None:
    roster = _roster(peer, settings(*TWO, num_stages=2, patience=300.0))
    peer.run(roster.recover(0, Cut()), timeout=None)
    peer.lose("b")
    peer.fault = SwarmTimeout("the daemon is lost")

    with pytest.raises(SwarmTimeout, match="the daemon is lost"):
        peer.run(roster.recover(0, Cut()), timeout=None)
