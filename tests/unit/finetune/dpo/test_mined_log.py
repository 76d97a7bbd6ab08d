# SPDX-License-Identifier: Apache-2.0
import pytest

from node0.errors import NotFound
from node0.finetune.dpo.mined_log import Kept, MinedLog
from node0.finetune.dpo.mined_pair import MinedPair, MinedSide
from node0.finetune.registry.store import ModelRegistry
from node0.store.transactions import actor


def pair(name: str, *, role: str = "polecat", successes: int = 1) -> MinedPair:
    side = MinedSide(
        entry_id="e", turn=1, digest="d", answer={"role": "assistant", "content": "x"},
        successes=successes, failures=0,
    )  # fmt: skip
    return MinedPair(id=name, role=role, situation="s", chosen=side, rejected=side, found_at="2026-01-01")


@pytest.fixture
def log(registry: ModelRegistry) -> MinedLog:
    return MinedLog(registry.store)


def test_pairs_wait_until_somebody_has_decided(log: MinedLog) -> None:
    assert log.keep([pair("one"), pair("two")]) == Kept(2, 0, 0, 0)
    assert [one.verdict for one in log.list()] == ["waiting", "waiting"]

    decided = log.decide("two", "swapped", reason="the other\nway round")

    assert (decided.verdict, decided.reason, decided.actor) == ("swapped", "the other way round", actor())
    assert log.list(verdicts=("swapped",)) == [decided]
    assert decided.decided_at is not None
    assert [one.id for one in log.list(verdicts=("waiting",))] == ["one"]


def test_a_later_mining_keeps_verdicts_and_takes_its_counts_over(log: MinedLog) -> None:
    log.keep([pair("waits"), pair("decided"), pair("gone"), pair("forgotten")])
    log.decide("decided", "dropped")
    log.decide("forgotten", "accepted")

    kept = log.keep([pair("waits", successes=5), pair("decided", successes=5), pair("fresh")])

    found = {one.id: (one.verdict, one.chosen.successes) for one in log.list()}
    assert kept == Kept(new=1, waiting=1, decided=1, gone=1)
    assert found == {
        "waits": ("waiting", 5),
        "decided": ("dropped", 1),
        "forgotten": ("accepted", 1),
        "fresh": ("waiting", 1),
    }


def test_a_mining_of_one_role_leaves_the_others_pairs(log: MinedLog) -> None:
    log.keep([pair("one"), pair("two", role="witness")])

    assert log.keep([], role="witness").gone == 1
    assert [one.id for one in log.list()] == ["one"]
    assert log.list(role="witness") == []


def test_the_last_word_counts_and_of_no_pair_there_is_none(log: MinedLog) -> None:
    log.keep([pair("one")])
    log.decide("one", "dropped")
    log.decide("one", "accepted")

    assert log.list()[0].verdict == "accepted"
    with pytest.raises(NotFound, match="no mined pair 'two'"):
        log.decide("two", "accepted")
