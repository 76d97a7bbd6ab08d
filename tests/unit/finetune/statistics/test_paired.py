# SPDX-License-Identifier: Apache-2.0
import random
from collections.abc import Sequence
from itertools import product
from statistics import NormalDist

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from node0.finetune.statistics import paired
from node0.finetune.statistics.paired import bootstrap, differences, holm, mcnemar, sign_flips
from node0.finetune.statistics.tallies import Tally


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_binomial_test_of_changed_items(gains: int, losses: int) -> None:
    tails = mcnemar(gains, losses)

    if gains + losses:
        less = binomtest(gains, gains + losses, 0.5, alternative="less").pvalue
        both = binomtest(gains, gains + losses, 0.5).pvalue
        assert tails.worse == pytest.approx(less)
        assert tails.either == pytest.approx(both)
    else:
        assert tails == (1.0, 1.0)


@given(st.lists(st.integers(-1, 1), max_size=60))
def test_flips_of_single_trials_are_mcnemar(changes: list[int]) -> None:
    assert sign_flips(changes) == pytest.approx(mcnemar(changes.count(1), changes.count(-1)))


def _further_out(changes: Sequence[int], sign: int) -> float:
    """The share of all signs that are as far out: a sum as far, and of equal ones over as few items."""

    def place(signed: Sequence[int]) -> tuple[int, int]:
        return -sign * sum(signed), sum(sign * one > 0 for one in signed)

    every = [
        [flip * one for flip, one in zip(flips, changes, strict=True)]
        for flips in product((-1, 1), repeat=len(changes))
    ]
    return sum(place(signed) <= place(changes) for signed in every) / len(every)


@settings(max_examples=80)
@given(st.lists(st.integers(-5, 5).filter(bool), max_size=9))
def test_flips_count_every_choice_of_signs(changes: list[int]) -> None:
    assert sign_flips(changes).worse == pytest.approx(_further_out(changes, -1))
    assert sign_flips(changes).better == pytest.approx(_further_out(changes, 1))


@given(st.lists(st.integers(-5, 5), max_size=40), st.integers(1, 8))
def test_no_chance_depends_on_the_unit_or_on_what_did_not_change(changes: list[int], unit: int) -> None:
    assert sign_flips([0, *(change * unit for change in changes), 0]) == sign_flips(changes)


def test_of_equal_sums_the_one_over_fewer_items_is_further_out() -> None:
    assert sign_flips([-2, 1, 1]) == (4 / 8, 5 / 8)
    assert sign_flips([2, -1, -1]) == (5 / 8, 4 / 8)


def test_ordered_ties_make_no_chance_larger(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(7)
    drawn = [[chance.randint(-5, 5) for _ in range(chance.randint(1, 60))] for _ in range(200)]

    ordered = [sign_flips(changes) for changes in drawn]
    monkeypatch.setattr(paired, "MOST_UNTIED", 0)
    tied = [sign_flips(changes) for changes in drawn]

    pairs = list(zip(ordered, tied, strict=True))
    assert all(one.worse <= other.worse and one.better <= other.better for one, other in pairs)
    assert sum(one.worse < other.worse for one, other in pairs) > 150


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([100, 101, 400]))
def test_the_chance_of_many_items_is_near_the_normal_one(seed: int, items: int) -> None:
    chance = random.Random(seed)
    changes = [chance.choice((-1, 1)) * chance.randint(1, 5) for _ in range(items)]

    far = sum(changes) / sum(change * change for change in changes) ** 0.5
    assert sign_flips(changes).worse == pytest.approx(NormalDist().cdf(far), abs=0.02)


def test_differences_are_shares_in_the_smallest_whole_numbers() -> None:
    assert differences([Tally(1, 2), Tally(3, 3)], [Tally(2, 3), Tally(0, 1)]) == [1, -3]
    assert differences([Tally(2, 5), Tally(90, 100)], [Tally(4, 5), Tally(70, 100)]) == [2, -20]


def test_bootstrap_bounds_hold_the_mean_and_repeat() -> None:
    chance = random.Random(3)
    old = [Tally(chance.randint(0, 5), 5) for _ in range(50)]
    new = [Tally(chance.randint(0, 5), 5) for _ in range(50)]
    mean = sum(after.share - before.share for before, after in zip(old, new, strict=True)) / 50

    low, high = bootstrap(old, new)

    assert low < mean < high
    assert bootstrap(old, new) == (low, high)
    assert high - low == pytest.approx(2 * 1.96 * (2 * (35 / 12) / 25 / 50) ** 0.5, rel=0.25)


def test_bootstrap_of_results_without_spread_leaves_room_for_the_unseen() -> None:
    low, high = bootstrap([Tally(1, 1)] * 40, [Tally(1, 1)] * 40)

    assert low == pytest.approx(-0.0876, abs=1e-3)
    assert high == -low


def test_holm_corrects_step_by_step() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
