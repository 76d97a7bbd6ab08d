# SPDX-License-Identifier: Apache-2.0
import math
import random

import pytest

from node0.finetune.statistics.regression import Outcomes, compare
from node0.finetune.statistics.settling import Unsettled, unsettled
from node0.finetune.statistics.tallies import Tally
from node0.finetune.statistics.verdict import Verdict

Shares = dict[str, list[float]]


def _shares(chance: random.Random, items: int, categories: str = "abcde") -> Shares:
    return {name: [chance.betavariate(0.8, 0.2) for _ in range(items)] for name in categories}


def _tried(chance: random.Random, shares: Shares, trials: int = 5) -> Outcomes:
    return {
        name: {
            str(number): Tally(sum(chance.random() < share for _ in range(trials)), trials)
            for number, share in enumerate(items)
        }
        for name, items in shares.items()
    }


def _singles(passed: int, items: int) -> dict[str, Tally]:
    return {str(number): Tally(int(number < passed), 1) for number in range(items)}


def test_a_fall_that_may_be_chance_is_open_and_one_within_the_margin_is_not() -> None:
    old = {name: _singles(40, 40) for name in "abcde"}
    new = old | {"a": _singles(37, 40), "b": _singles(38, 40)}

    (only,) = unsettled(compare(old, new))

    assert (only.category, round(only.delta, 6)) == ("a", -0.075)
    # Seven items lost and none gained are the fewest that the exact test of one of five finds: 1/128 < 1/100.
    assert only.more is not None
    assert only.more.items == math.ceil(7 / 0.075)


def test_where_a_category_fell_all_together_are_not_asked() -> None:
    old = {"a": _singles(12, 12), "b": _singles(12, 12)}
    compared = compare(old, old | {"a": _singles(2, 12)})

    assert compared[0].verdict is Verdict.FAIL
    assert not list(unsettled(compared))


def test_nothing_is_open_where_nothing_was_compared() -> None:
    assert not list(unsettled([]))


@pytest.mark.parametrize(("margin", "open_ones"), [(0.05, []), (0.01, [None])])
def test_the_mean_of_all_categories_must_be_within_the_margin(
    margin: float, open_ones: list[str | None]
) -> None:
    same = {name: _singles(40, 40) for name in "abcde"}

    assert [one.category for one in unsettled(compare(same, same, margin=margin), margin=margin)] == open_ones


def test_so_many_items_without_a_change_settle_it_and_fewer_do_not() -> None:
    same = {"a": _singles(10, 10)}
    (found,) = unsettled(compare(same, same))
    assert found.more is not None

    for share, is_open in ((1.0, False), (0.98, True)):
        more = {"a": _singles(1000, round(found.more.items * share))}
        assert bool(list(unsettled(compare(more, more)))) is is_open


def test_a_fall_to_just_the_margin_is_settled_by_nothing() -> None:
    old, new = {"a": _singles(40, 40)}, {"a": _singles(38, 40)}

    (only,) = unsettled(compare(old, new))

    assert only.category is None
    assert only.more is None


def _first_open(seed: int, *, trials: int) -> tuple[Shares, Shares, Unsettled]:
    """Two versions, of which one fell by ten points in `a`, and what so few trials leave open of that."""
    chance = random.Random(seed)
    while True:
        before = _shares(chance, 40, "ab")
        after = before | {"a": [share * 0.875 for share in before["a"]]}
        old, new = _tried(chance, before, trials), _tried(chance, after, trials)
        found = [one for one in unsettled(compare(old, new)) if one.category == "a"]
        if found and found[0].more is not None and found[0].more.trials is not None:
            return before, after, found[0]


@pytest.mark.parametrize("seed", range(4))
def test_the_trials_that_are_told_settle_most_of_what_was_open(seed: int) -> None:
    before, after, open_one = _first_open(seed, trials=3)
    assert open_one.more is not None
    assert open_one.more.trials is not None

    chance, trials = random.Random(seed + 100), 2 * open_one.more.trials
    settled = 0
    for _ in range(10):
        compared = compare(_tried(chance, before, trials), _tried(chance, after, trials))
        settled += not [one for one in unsettled(compared) if one.category == "a"]
    assert settled >= 8
