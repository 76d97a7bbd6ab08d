# SPDX-License-Identifier: Apache-2.0
"""How many items a question needs, and how small a fall so many can show."""

import math
from collections.abc import Sequence
from statistics import NormalDist

from node0.finetune.statistics.spread import spread
from node0.finetune.statistics.tallies import Tally
from node0.finetune.statistics.wilson import wilson

ALPHA = 0.05
POWER = 0.9
MOST_ITEMS = 1_000_000
ROUNDS = 30
"Of a fixed point that settles in a few."

_QUANTILE = NormalDist().inv_cdf


def smallest_fall(
    old: Sequence[Tally], new: Sequence[Tally], *, looks: int, alpha: float = ALPHA, power: float = POWER
) -> float:
    """The fall in share that would be found with this power, at the spread that was seen (Miller 2024).

    Never less than what the exact test needs: log2(looks / alpha) items lost and none gained.

    Args:
        old, new: results of the same items; the spread of their differences is what hides a fall.
        looks: over how many categories the chance of a false alarm is shared.
        alpha: that chance, one-sided.
        power: chance of finding a fall of the size that is returned.
    """
    items, level = len(old), alpha / looks
    least = math.ceil(math.log2(1 / level)) / items
    if items < 2:
        return min(1.0, least)
    found = spread(old, new)
    fall = least
    for _ in range(ROUNDS):
        # The test measures against zero, so the fall itself adds to the spread that it sees.
        seen = _QUANTILE(1 - level) * math.sqrt((found + fall * fall) / items)
        fall = max(least, seen + _QUANTILE(power) * math.sqrt(found / items))
    return min(1.0, fall)


def items_to_decide(score: float, threshold: float, *, items: int) -> int | None:
    """How many items in all would settle on which side of the threshold this score is.

    None where so many would be no help: the score is at the threshold.
    """
    if abs(score - threshold) < 1e-9:
        return None
    low, high = items, max(items, 1)
    while not _decides(score, threshold, high):
        low, high = high, high * 2
        if high > MOST_ITEMS:
            return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _decides(score, threshold, middle) else (middle + 1, high)
    return high


def _decides(score: float, threshold: float, items: int) -> bool:
    low, high = wilson(min(score * items, items), items)
    return low >= threshold or high < threshold
