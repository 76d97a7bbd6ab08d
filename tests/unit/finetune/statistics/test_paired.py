# SPDX-License-Identifier: Apache-2.0
import random
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

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


@settings(max_examples=60)
@given(st.lists(st.integers(-5, 5), max_size=9))
def test_flips_count_every_choice_of_signs(changes: list[int]) -> None:
    sums = [
        sum(sign * change for sign, change in zip(signs, changes, strict=True))
        for signs in product((-1, 1), repeat=len(changes))
    ]

    seen = sum(changes)
    assert sign_flips(changes).worse == pytest.approx(sum(total <= seen for total in sums) / len(sums))
    assert sign_flips(changes).better == pytest.approx(sum(total >= seen for total in sums) / len(sums))


def test_differences_are_shares_times_both_numbers_of_trials() -> None:
    assert differences([Tally(1, 2), Tally(3, 3)], [Tally(2, 3), Tally(0, 1)]) == [1, -3]


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
