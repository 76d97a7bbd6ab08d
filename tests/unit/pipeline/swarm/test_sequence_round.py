# SPDX-License-Identifier: Apache-2.0
"""Rounds over fake hosts: draws come back, losses are made good, one sequence's fault is not another's."""

from collections.abc import Iterator
from typing import Any

import pytest
from unit.pipeline.swarm.fake_hosts import REFUSED, CountingHost, FakePeer, Stages

from node0.errors import NonRetriableError, RetriableError, SwarmTimeout
from node0.pipeline.protocol import SamplingParams
from node0.pipeline.swarm.host_connection import MemberSpec
from node0.pipeline.swarm.sequence_round import play_round
from node0.pipeline.swarm.swarm_sequence import PIECE_IDS, ROUND_PIECES, SwarmSequence


@pytest.fixture
def two() -> Iterator[Stages]:
    """One stage, held by two."""
    made = Stages(
        FakePeer(a=CountingHost(), b=CountingHost()),
        MemberSpec("a", stage=0),
        MemberSpec("b", stage=0),
        new_host=CountingHost,
    )
    yield made
    made.close()


@pytest.fixture
def stuck() -> Iterator[Stages]:
    """One stage, whose host repeats its first draw."""
    host = CountingHost()
    host.says_early = True
    made = Stages(FakePeer(a=host), MemberSpec("a", stage=0), deadline=0.2)
    yield made
    made.close()


def _of(*lengths: int) -> list[SwarmSequence]:
    made = []
    for length in lengths:
        made.append(SwarmSequence(SamplingParams(temperature=0), max_length=5000))
        made[-1].append([1] * length)
    return made


def _hosts(stages: Stages) -> list[Any]:
    return [stages.peer.hosts[name] for name in stages.names]


def test_each_sequence_gets_its_own_draw_and_replicas_share_them(two: Stages) -> None:
    sequences = _of(3, 5, 70, 1)

    assert play_round(two, sequences) == dict(zip(sequences, (3, 5, 70, 1), strict=True))
    assert [len(host.held) for host in _hosts(two)] == [2, 2]
    for sequence in sequences:
        sequence.append([2])
    assert play_round(two, sequences) == dict(zip(sequences, (4, 6, 71, 2), strict=True))


def test_a_prompt_that_takes_several_rounds_has_no_draw_before_the_last(two: Stages) -> None:
    many = PIECE_IDS * ROUND_PIECES
    long, short = _of(2 * many + 1, 2)

    assert play_round(two, [long, short]) == {short: 2}
    short.append([2])
    assert play_round(two, [long, short]) == {short: 3}
    assert play_round(two, [long]) == {long: 2 * many + 1}


def test_a_loss_is_made_good_for_all_of_them(two: Stages) -> None:
    sequences = _of(3, 70)
    play_round(two, sequences)
    for sequence in sequences:
        sequence.append([2])
    two.peer.lose("a")

    assert play_round(two, sequences) == dict(zip(sequences, (4, 71), strict=True))
    assert two.recovered == 1


def test_the_loss_of_a_replica_that_has_none_of_them_disturbs_nobody(two: Stages) -> None:
    (only,) = _of(3)
    play_round(two, [only])
    (member,) = only.route
    two.peer.lose("b" if member.peer_id == "a" else "a")
    only.append([2])

    assert play_round(two, [only]) == {only: 4}
    assert two.recovered == 0


def test_the_fault_of_one_sequence_is_not_that_of_another(two: Stages) -> None:
    good, bad = _of(3, 3)
    bad.append([REFUSED])

    results = play_round(two, [good, bad])

    assert results[good] == 3
    with pytest.raises(NonRetriableError, match="no such id"):
        raise results[bad]  # type: ignore[misc]  # an error, or the test fails
    assert two.recovered == 0


def test_who_finds_no_room_beside_others_waits_and_is_not_overtaken(two: Stages) -> None:
    for host in _hosts(two):
        host.room = 1
    sequences = _of(3, 4, 5, 6)

    assert play_round(two, sequences) == dict(zip(sequences, (3, 4), strict=False))
    assert [bool(sequence.route) for sequence in sequences] == [True, True, False, False]
    two.run(sequences[0].close)
    sequences[1].append([2])
    assert play_round(two, sequences[1:]) == {sequences[1]: 5, sequences[2]: 5}


def test_where_there_is_room_for_nobody_it_is_said(two: Stages) -> None:
    for host in _hosts(two):
        host.room = 0

    with pytest.raises(RetriableError, match="caches are full"):
        play_round(two, _of(3, 4))
    assert two.recovered == 1


def test_a_stage_that_says_the_same_again_and_again_is_not_waited_for(
    stuck: Stages, monkeypatch: pytest.MonkeyPatch
) -> None:
    def give_up(fault: RetriableError) -> None:
        raise SwarmTimeout(str(fault))

    monkeypatch.setattr(stuck, "recover", give_up)
    (sequence,) = _of(3)
    assert play_round(stuck, [sequence]) == {sequence: 3}
    sequence.append([2])

    with pytest.raises(SwarmTimeout, match=r"no stage answered within 0\.2 s"):
        play_round(stuck, [sequence])
    assert sequence.route == []
