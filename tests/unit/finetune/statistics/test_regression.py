# SPDX-License-Identifier: Apache-2.0
import random

import pytest

from node0.finetune.statistics.paired import mcnemar
from node0.finetune.statistics.regression import chances, compare, read_outcomes
from node0.finetune.statistics.tallies import Tally
from node0.finetune.statistics.verdict import Verdict


def _results(passed: int, items: int) -> dict[str, Tally]:
    return {f"item-{number:03}": Tally(int(number < passed), 1) for number in range(items)}


def test_a_category_that_fell_fails_and_the_others_do_not() -> None:
    old = {"git": _results(36, 40), "plans": _results(36, 40)}
    new = {"git": _results(24, 40), "plans": _results(36, 40)}

    git, plans = compare(old, new)

    assert (git.verdict, git.gains, git.losses) == (Verdict.FAIL, 0, 12)
    assert git.chance == 2 * mcnemar(0, 12).worse
    assert round(git.delta, 6) == -0.3
    assert git.low < git.delta < git.high < 0
    assert plans.verdict is Verdict.INCONCLUSIVE


def test_enough_equal_items_show_that_nothing_fell() -> None:
    (only,) = compare({"git": _results(90, 100)}, {"git": _results(90, 100)})

    assert only.verdict is Verdict.PASS


def test_a_gain_is_no_fall() -> None:
    (only,) = compare({"git": _results(20, 40)}, {"git": _results(38, 40)})

    assert only.verdict is Verdict.PASS
    assert only.chance == 1.0


@pytest.mark.parametrize(("margin", "verdict"), [(0.05, Verdict.PASS), (0.0, Verdict.FAIL)])
def test_a_fall_that_is_surely_below_the_margin_is_borne(margin: float, verdict: Verdict) -> None:
    old = {"git": {f"item-{number:03}": Tally(5, 5) for number in range(200)}}
    new = {"git": old["git"] | {f"item-{number:03}": Tally(4, 5) for number in range(8)}}

    (only,) = compare(old, new, margin=margin)

    assert only.verdict is verdict
    assert round(only.delta, 6) == -0.008
    assert only.chance < 0.05


def test_a_fall_that_may_reach_the_margin_is_not_borne() -> None:
    old, new = {"git": _results(200, 200)}, {"git": _results(188, 200)}

    (only,) = compare(old, new, margin=0.05)

    assert only.verdict is Verdict.FAIL


def test_only_items_that_both_did_are_compared() -> None:
    old = {"git": _results(10, 10), "plans": _results(1, 1)}
    new = {"git": _results(12, 30), "beads": _results(1, 1)}

    (only,) = compare(old, new)

    assert (only.category, only.items, only.old, only.new) == ("git", 10, 1.0, 1.0)


def test_equal_models_are_rarely_said_to_have_fallen() -> None:
    chance = random.Random(11)

    def draw() -> dict[str, dict[str, Tally]]:
        return {
            category: {
                str(item): Tally(sum(chance.random() < 0.8 for _ in range(5)), 5) for item in range(40)
            }
            for category in "abcde"
        }

    alarms = sum(min(chances(draw(), draw()).values()) < 0.05 for _ in range(300))
    assert alarms / 300 <= 0.08


def test_outcomes_are_read_as_json_keeps_them() -> None:
    assert read_outcomes({"git": {"a": [3, 5]}}) == {"git": {"a": Tally(3, 5)}}
