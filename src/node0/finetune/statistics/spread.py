# SPDX-License-Identifier: Apache-2.0
"""How far the differences of items lie apart, and how much of that is chance in single trials."""

from collections.abc import Sequence
from statistics import fmean, variance

from node0.finetune.statistics.tallies import Tally


def spread(old: Sequence[Tally], new: Sequence[Tally]) -> float:
    """The variance, from item to item, of the difference in share; 0 of fewer than two items."""
    if len(old) < 2:
        return 0.0
    return variance(after.share - before.share for before, after in zip(old, new, strict=True))


def noise(old: Sequence[Tally], new: Sequence[Tally]) -> float:
    """What of the spread is due to chance in single trials: unbiased, and no more than the spread.

    With one trial an item the two cannot be told apart; then it is all of the spread.
    """
    whole = spread(old, new)
    if any(tally.trials < 2 for tally in (*old, *new)):
        return whole
    return min(whole, fmean(map(_of_mean, old)) + fmean(map(_of_mean, new)))


def _of_mean(tally: Tally) -> float:
    """The variance of a share that so many trials have, estimated from them."""
    return tally.share * (1 - tally.share) / (tally.trials - 1)
