# SPDX-License-Identifier: Apache-2.0
import random

import pytest

from node0.finetune.statistics.paired import sign_flips
from node0.finetune.statistics.power import items_to_decide, smallest_fall
from node0.finetune.statistics.tallies import Tally
from node0.finetune.statistics.wilson import wilson


@pytest.mark.parametrize(("score", "threshold"), [(0.9, 0.8), (0.7, 0.8), (1.0, 0.95), (0.0, 0.1)])
def test_so_many_items_decide_and_one_fewer_does_not(score: float, threshold: float) -> None:
    needed = items_to_decide(score, threshold, items=1)

    assert needed is not None
    low, high = wilson(min(score * needed, needed), needed)
    assert low >= threshold or high < threshold
    low, high = wilson(score * (needed - 1), needed - 1)
    assert low < threshold <= high


def test_a_score_at_the_threshold_is_never_decided() -> None:
    assert items_to_decide(0.8, 0.8, items=40) is None


def test_without_spread_the_exact_test_sets_the_smallest_fall() -> None:
    same = [Tally(1, 1)] * 40

    lost = round(smallest_fall(same, same, looks=5) * 40)
    assert sign_flips([-1] * lost).worse < 0.01 <= sign_flips([-1] * (lost - 1)).worse


def test_a_fall_of_the_smallest_size_is_found_nine_times_of_ten() -> None:
    chance = random.Random(5)

    def draw(share: float) -> list[Tally]:
        return [Tally(sum(chance.random() < share for _ in range(5)), 5) for _ in range(60)]

    fall = smallest_fall(draw(0.8), draw(0.8), looks=1)
    found = 0
    for _ in range(300):
        old, new = draw(0.8), draw(0.8 - fall)
        changes = [after.passes - before.passes for before, after in zip(old, new, strict=True)]
        found += sign_flips(changes).worse < 0.05
    assert 0.85 <= found / 300 <= 0.97
