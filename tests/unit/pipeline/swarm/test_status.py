# SPDX-License-Identifier: Apache-2.0
"""What is made of what members say of themselves, whatever they say."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from unit.pipeline.swarm.fake_hosts import FakeHost, FakePeer

from node0.pipeline.swarm import status
from node0.pipeline.swarm.status import MemberStatus, Watch, table
from node0.swarm.records.members import MemberRecord
from node0.swarm.run.create import create_run
from node0.swarm.run.layout import lay_out
from node0.swarm.run.swarm_run import SwarmRun


@pytest.fixture
def run(tmp_path: Path) -> SwarmRun:
    """Two stages and a trainer."""
    slots = lay_out(2, replicas={}, spares=0, hosts={})
    return create_run(tmp_path / "run", slots, common=SwarmRun(num_stages=2, local_mode=True), settings="")


@pytest.fixture
def peer(run: SwarmRun) -> Iterator[FakePeer]:
    made = FakePeer(**{member.peer_id: FakeHost() for member in run.members if member.stage is not None})
    yield made
    made.close()


def looks(run: SwarmRun, peer: Any, *told: dict[str, Any]) -> list[list[MemberStatus]]:
    """What a watch makes of answers that all members give, look after look."""
    watch = Watch(peer, run)
    seen = []
    for each in told:
        for host in peer.hosts.values():
            host.about = each
        seen.append(watch.look())
    return seen


def test_speed_is_what_was_added_by_the_members_own_clock(run: SwarmRun, peer: FakePeer) -> None:
    told = [{"tokens": tokens, "time": at} for tokens, at in ((100, 5.0), (400, 7.0), (50, 8.0), (50, 8.0))]

    speeds = [[each.tokens_per_second for each in members] for members in looks(run, peer, *told)]

    assert speeds == [[None, None], [150.0, 150.0], [0.0, 0.0], [None, None]]


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), "9" * 99, None, [], {}, b"x"])
def test_what_is_no_number_is_not_shown(value: Any, run: SwarmRun, peer: FakePeer) -> None:
    names = ("stage", "version", "microbatches", "tokens", "time", "peak_bytes")
    _, (head, tail) = looks(run, peer, *[dict.fromkeys(names, value)] * 2)

    assert (head.member, head.stage, tail.stage) == ("head-0", "head-0", "tail-1")
    assert (head.version, head.microbatches, head.tokens_per_second, head.memory_bytes) == (None,) * 4
    assert set(head.shown().values()) == {"head-0", f"...{head.peer[-8:]}", "", "now"}


def test_a_stage_outside_the_run_is_shown_by_its_number(run: SwarmRun, peer: FakePeer) -> None:
    ((head, _),) = looks(run, peer, {"stage": 7})

    assert head.stage == "7"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, "never"), (0.0, "now"), (7.2, "7 s ago"), (150.0, "2 min ago"), (3e4, "8 h ago")],
)
def test_it_says_how_long_ago_a_member_was_seen(seconds: float | None, shown: str) -> None:
    member = MemberStatus("tail-1", None, "Qm12345678", None, None, None, None, seconds, "it is gone")

    (row,) = table([member])

    assert (row["last seen"], row["problem"], row["stage"]) == (shown, "it is gone", "-")


def test_who_does_not_answer_was_last_seen_when_the_dht_says(
    run: SwarmRun, peer: FakePeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    tail = run.member("tail-1").peer_id
    del peer.hosts[tail]

    async def find_records(*_: object, **__: object) -> list[MemberRecord]:
        return [MemberRecord(tail, [], {}, time.time() - 90.0)]

    monkeypatch.setattr(status, "find_records", find_records)
    ((head, gone),) = looks(run, peer, {})

    assert (head.last_seen, head.problem) == (0.0, "")
    assert gone.last_seen == pytest.approx(90.0, abs=5.0)
    assert "it cannot be reached at 127.0.0.1:" in gone.problem
