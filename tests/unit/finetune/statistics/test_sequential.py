# SPDX-License-Identifier: Apache-2.0
import itertools
import math
import random
from collections import Counter

import pytest

from node0.finetune.statistics.sequential import Decision, Look, look

MARGIN, ALPHA = 0.15, 0.05


def looked(stable: list[bool], candidate: list[bool], *, per_candidate: int = 4) -> Look:
    return look(stable, candidate, per_candidate=per_candidate, margin=MARGIN, alpha=ALPHA)


def outcomes(succeeded: int, failed: int) -> list[bool]:
    return [True] * succeeded + [False] * failed


def ended(seed: int, stable: float, candidate: float, *, sessions: int = 300) -> Decision:
    """Of one canary with a fifth of the sessions, looked at after every tenth."""
    drawn = random.Random(seed)
    ours: list[bool] = []
    theirs: list[bool] = []
    for number in range(1, sessions + 1):
        of_candidate = drawn.random() < 0.2
        succeeded = drawn.random() < (candidate if of_candidate else stable)
        (ours if of_candidate else theirs).append(succeeded)
        if not number % 10 and (found := looked(theirs, ours)).decision is not Decision.GO_ON:
            return found.decision
    return Decision.GO_ON


def decisions(stable: float, candidate: float, *, runs: int = 100) -> Counter[Decision]:
    return Counter(ended(seed, stable, candidate) for seed in range(runs))


def mean(name: str, stable: float, candidate: float, *, per_candidate: int) -> float:
    """The mean of an e-value after one block, over all that can happen."""
    whole = 0.0
    for seen in itertools.product((True, False), repeat=per_candidate + 1):
        shares = [*[stable] * per_candidate, candidate]
        chance = math.prod(
            share if succeeded else 1 - share for share, succeeded in zip(shares, seen, strict=True)
        )
        found = looked(list(seen[:-1]), [seen[-1]], per_candidate=per_candidate)
        whole += chance * math.exp(getattr(found, name))
    return whole


@pytest.mark.parametrize("per_candidate", [1, 3])
@pytest.mark.parametrize("stable", [0.0, 0.07, 0.5, 0.93, 1.0])
def test_the_mean_of_each_e_value_is_at_most_one_where_its_hypothesis_is_true(
    per_candidate: int, stable: float
) -> None:
    shares = [*(number / 50 for number in range(51)), stable, max(0.0, stable - MARGIN)]
    as_good = [share for share in shares if share >= stable]
    worse = [share for share in shares if share <= stable - MARGIN]

    means = [mean("worse", stable, share, per_candidate=per_candidate) for share in as_good]
    means += [mean("as_good", stable, share, per_candidate=per_candidate) for share in worse]
    assert means and max(means) <= 1 + 1e-9
    assert max(means) > 0.5, "and it is no number that says nothing"


def test_a_candidate_that_is_as_good_is_seldom_taken_back_whenever_one_looks() -> None:
    found = decisions(0.8, 0.8)

    assert found[Decision.TAKE_BACK] <= 8, "of 100, where 5 are allowed and chance adds its own"


def test_a_candidate_that_is_worse_by_the_margin_is_seldom_promoted_whenever_one_looks() -> None:
    found = decisions(0.8, 0.8 - MARGIN)

    assert found[Decision.PROMOTE] <= 8


def test_what_is_much_worse_is_found_and_what_is_better_is_promoted() -> None:
    assert decisions(0.8, 0.4, runs=30)[Decision.TAKE_BACK] >= 27
    assert decisions(0.7, 0.95, runs=30)[Decision.PROMOTE] >= 27


def test_nothing_seen_says_nothing() -> None:
    for stable, candidate in ([], []), (outcomes(50, 0), []), ([], outcomes(9, 0)), (outcomes(3, 0), [True]):
        found = looked(stable, candidate)

        assert found == Look(Decision.GO_ON, 0, pytest.approx(0), pytest.approx(0))


def test_only_whole_blocks_count_and_order_within_them_does_not() -> None:
    stable, candidate = outcomes(30, 10), outcomes(2, 8)
    found = looked(stable, candidate)

    assert found.blocks == 10 and found.decision is Decision.TAKE_BACK
    assert looked([*stable, *outcomes(0, 50)], candidate) == found
    shuffled = looked(stable[::-1], candidate[::-1])
    assert (shuffled.worse, shuffled.as_good) == pytest.approx((found.worse, found.as_good))


def test_all_failures_of_a_candidate_are_no_promotion_and_all_successes_no_return() -> None:
    assert looked(outcomes(0, 400), outcomes(0, 100)).decision is not Decision.TAKE_BACK
    assert looked(outcomes(400, 0), outcomes(100, 0)).decision is Decision.PROMOTE
    assert looked(outcomes(400, 0), outcomes(0, 100)).decision is Decision.TAKE_BACK
