# SPDX-License-Identifier: Apache-2.0
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node0.finetune.statistics.tallies import Estimate, Tally, composite, effective, estimate, pass_power
from node0.finetune.statistics.wilson import wilson

tallies = st.lists(
    st.integers(1, 6).flatmap(lambda n: st.builds(Tally, st.integers(0, n), st.just(n))), min_size=1
)


def _single(passed: int, items: int) -> list[Tally]:
    return [Tally(int(number < passed), 1) for number in range(items)]


@given(st.integers(2, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_one_trial_an_item_gives_the_bounds_of_wilson(case: tuple[int, int]) -> None:
    found = estimate(_single(*case))

    assert found.items == case[1]
    assert (found.low, found.high) == pytest.approx(wilson(*case), abs=1e-9)


@given(tallies)
def test_the_score_lies_between_its_bounds(found: list[Tally]) -> None:
    score, low, high, _ = estimate(found)

    assert 0 <= low <= score + 1e-9
    assert score - 1e-9 <= high <= 1


def test_trials_that_all_agree_count_as_one_an_item() -> None:
    repeated = [Tally(5, 5)] * 30 + [Tally(0, 5)] * 10

    assert effective(repeated) == pytest.approx(40)


def test_trials_of_items_that_are_all_alike_count_each() -> None:
    assert effective([Tally(3, 5), Tally(4, 5)] * 20) == pytest.approx(200)


def test_the_composite_of_one_category_is_that_category() -> None:
    part = Estimate(0.7, 0.6, 0.8, 40)

    assert composite({"a": part}) == pytest.approx(part)


def test_four_equal_categories_halve_the_bounds() -> None:
    part = Estimate(0.7, 0.6, 0.76, 40)

    assert composite(dict.fromkeys("abcd", part)) == pytest.approx(Estimate(0.7, 0.65, 0.73, 160))


def test_the_composite_weighs_categories_as_told() -> None:
    parts = {"a": Estimate(1.0, 0.9, 1.0, 40), "b": Estimate(0.0, 0.0, 0.1, 40)}

    assert composite(parts, {"a": 3, "b": 1}).score == pytest.approx(0.75)
    with pytest.raises(ValueError, match="weight"):
        composite(parts, {"c": 1.0})


@pytest.mark.parametrize("k", [1, 2, 3])
def test_pass_power_is_the_share_of_k_trials_that_all_pass(k: int) -> None:
    trials = [(True, True, False, True), (False, False, True, False)]
    found = [Tally(sum(one), len(one)) for one in trials]

    chosen = [[all(some) for some in combinations(one, k)] for one in trials]
    assert pass_power(found, k) == pytest.approx(sum(sum(one) / len(one) for one in chosen) / 2)


def test_pass_power_needs_as_many_trials() -> None:
    with pytest.raises(ValueError, match="needs 3"):
        pass_power([Tally(2, 2)], 3)
