# SPDX-License-Identifier: Apache-2.0
"""Sequences over fake stages, whose draw is how many ids they have: who runs, waits, ends, is freed."""

from collections.abc import Iterator
from typing import Any

import pytest
from batch_parts import GREEDY
from unit.pipeline.swarm.fake_hosts import REFUSED, CountingHost, FakePeer, Stages

from node0.errors import EngineBusy, EngineUnavailable, RetriableError, SwarmTimeout
from node0.finetune.serving.engines.batching.sequence import Sequence
from node0.finetune.serving.engines.batching.swarm_batch import SwarmBatch
from node0.finetune.serving.engines.token_engine import GenerationRequest
from node0.pipeline.swarm.host_connection import MemberSpec


@pytest.fixture
def host() -> CountingHost:
    return CountingHost()


@pytest.fixture
def stages(host: CountingHost) -> Iterator[Stages]:
    made = Stages(FakePeer(a=host), MemberSpec("a", stage=0), new_host=CountingHost)
    yield made
    made.close()


def sequence(length: int, count: int, *stops: int) -> Sequence:
    return Sequence(GenerationRequest("m", (1,) * length, count, stop_ids=stops, sampling=GREEDY))


def run(batch: SwarmBatch, *sequences: Sequence) -> list[list[int]]:
    """What each is told until nothing is left to do."""
    told: dict[Sequence, list[int]] = {each: [] for each in sequences}
    for each in sequences:
        batch.add(each)
    while batch.busy:
        for progress in batch.step():
            assert progress.error is None
            told[progress.sequence] += [token.id for token in progress.tokens]
    return list(told.values())


def test_each_gets_its_own_ids_and_a_stop_id_is_not_told(stages: Stages, host: CountingHost) -> None:
    told = run(SwarmBatch(stages), sequence(3, 4), sequence(600, 2), sequence(5, 9, 7), sequence(2, 1))

    assert told == [[3, 4, 5, 6], [600, 601], [5, 6], [2]]
    assert host.held == {}


def test_no_more_run_than_may_and_they_run_in_the_order_in_which_they_came(
    stages: Stages, host: CountingHost
) -> None:
    batch, all_of_them = SwarmBatch(stages, max_running=2), [sequence(3, 2) for _ in range(5)]
    ends = []
    for each in all_of_them:
        batch.add(each)
    while batch.busy:
        ends += [progress.sequence for progress in batch.step() if progress.sequence.done]
        assert len(host.held) <= 2

    assert ends == all_of_them


def test_full_stages_make_the_later_ones_wait_and_lose_none(stages: Stages, host: CountingHost) -> None:
    host.room = 2
    lengths = (3, 4, 5, 6, 7)

    told = run(SwarmBatch(stages), *(sequence(length, 3) for length in lengths))

    assert told == [[length, length + 1, length + 2] for length in lengths]
    # Whoever waits does not ask at every step.
    assert host.asked["open"] < 3 * len(lengths)


def test_stages_that_others_have_filled_are_busy(stages: Stages, host: CountingHost) -> None:
    host.room = 0
    batch, only = SwarmBatch(stages), sequence(3, 2)
    batch.add(only)

    with pytest.raises(EngineBusy, match="caches are full"):
        batch.step()

    batch.abort(only)
    host.room = 1
    assert run(batch, sequence(3, 1)) == [[3]]


def test_a_sequence_that_is_aborted_is_freed_wherever_it_is(stages: Stages, host: CountingHost) -> None:
    batch, running, waiting = SwarmBatch(stages, max_running=1), sequence(3, 9), sequence(4, 2)
    batch.add(running)
    batch.add(waiting)
    batch.step()
    assert len(host.held) == 1

    batch.abort(running)
    assert host.held == {}
    batch.abort(waiting)
    batch.abort(waiting)
    assert not batch.busy


def test_the_fault_of_one_ends_that_one(stages: Stages, host: CountingHost) -> None:
    batch, good = SwarmBatch(stages), sequence(3, 2)
    bad = Sequence(GenerationRequest("m", (1, REFUSED), 2, sampling=GREEDY))
    batch.add(good)
    batch.add(bad)

    progress = {each.sequence: each for each in batch.step()}

    assert isinstance(progress[bad].error, EngineUnavailable) and "no such id" in str(progress[bad].error)
    assert [token.id for token in progress[good].tokens] == [3]
    assert len(host.held) == 1


def test_one_that_no_stage_can_ever_hold_ends_alone(stages: Stages, host: CountingHost) -> None:
    host.room, host.most = 1, 50
    batch, long, good = SwarmBatch(stages), sequence(3, 60), sequence(3, 2)
    batch.add(long)
    batch.add(good)

    progress = {each.sequence: each for each in batch.step()}

    assert "too long for all caches" in str(progress[long].error)
    assert [token.id for token in progress[good].tokens] == [3]


def test_answers_go_on_after_a_loss(stages: Stages) -> None:
    batch, one, other = SwarmBatch(stages), sequence(3, 5), sequence(70, 5)
    told: dict[Sequence, list[int]] = {one: [], other: []}
    batch.add(one)
    batch.add(other)
    for number in range(5):
        if number == 2:
            stages.peer.lose("a")
        for progress in batch.step():
            told[progress.sequence] += [token.id for token in progress.tokens]

    assert list(told.values()) == [[3, 4, 5, 6, 7], [70, 71, 72, 73, 74]]
    assert stages.recovered == 1


def test_a_stage_that_stays_away_is_an_engine_that_does_not_answer(
    stages: Stages, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, only = SwarmBatch(stages), sequence(3, 5)
    batch.add(only)
    batch.step()
    stages.peer.lose("a")

    def give_up(fault: RetriableError) -> Any:
        raise SwarmTimeout("nobody holds solo-0; waited 300 s")

    with monkeypatch.context() as patch:
        patch.setattr(stages, "recover", give_up)
        with pytest.raises(EngineUnavailable, match="nobody holds solo-0"):
            batch.step()
        batch.abort(only)

    # The next one is answered when somebody holds it again.
    assert run(batch, sequence(4, 2)) == [[4, 5]]
