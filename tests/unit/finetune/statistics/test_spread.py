# SPDX-License-Identifier: Apache-2.0
import random

import pytest

from node0.finetune.statistics.spread import noise, spread
from node0.finetune.statistics.tallies import Tally


def _tried(chance: random.Random, shares: list[float], trials: int) -> list[Tally]:
    return [Tally(sum(chance.random() < share for _ in range(trials)), trials) for share in shares]


@pytest.mark.parametrize("trials", [2, 5, 20])
def test_noise_is_all_of_the_spread_where_no_item_changed_and_little_where_many_did(trials: int) -> None:
    chance = random.Random(trials)
    before = [chance.random() for _ in range(4000)]
    old = _tried(chance, before, trials)
    same, other = _tried(chance, before, trials), _tried(chance, [1 - share for share in before], trials)

    # p(1 - p) is 1/6 in the mean of chances that are drawn evenly, and each version adds its own.
    assert noise(old, same) == pytest.approx(2 / 6 / trials, rel=0.08)
    assert spread(old, same) == pytest.approx(2 / 6 / trials, rel=0.08)
    assert noise(old, other) == pytest.approx(2 / 6 / trials, rel=0.08)
    assert spread(old, other) == pytest.approx(1 / 3 + 2 / 6 / trials, rel=0.08)


def test_of_single_trials_all_of_the_spread_may_be_noise() -> None:
    old, new = [Tally(1, 1)] * 4, [Tally(1, 1), Tally(0, 1)] * 2

    assert noise(old, new) == spread(old, new) == pytest.approx(1 / 3)


def test_one_item_has_no_spread() -> None:
    assert spread([Tally(1, 5)], [Tally(4, 5)]) == noise([Tally(1, 5)], [Tally(4, 5)]) == 0.0
