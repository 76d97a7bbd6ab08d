# SPDX-License-Identifier: Apache-2.0
"""Exact tests on pairs: the same items, tried by an old and a new version."""

import math
import random
from collections.abc import Sequence
from typing import NamedTuple

from node0.finetune.statistics.tallies import Tally
from node0.finetune.statistics.wilson import wilson

RESAMPLES = 2000
MOST_UNTIED = 100
"Items that differ; of more, sums are so many that ties are a small part, and ordering them takes long."


class Tails(NamedTuple):
    """Chances, where nothing differs, of what was seen or more."""

    worse: float
    "Of so large a fall."

    better: float
    "Of so large a gain."

    @property
    def either(self) -> float:
        """Two-sided."""
        return min(1.0, 2 * min(self))


def mcnemar(gains: int, losses: int) -> Tails:
    """The exact test of McNemar on items that only one version passed.

    Source: binomial test of the discordant pairs at one half (McNemar 1947, doi:10.1007/BF02295996).
    """
    changed = gains + losses
    halves = 2**changed
    return Tails(
        sum(math.comb(changed, count) for count in range(gains + 1)) / halves,
        sum(math.comb(changed, count) for count in range(losses + 1)) / halves,
    )


def sign_flips(differences: Sequence[int]) -> Tails:
    """The exact paired permutation test on whole differences, new less old (Fisher 1935).

    Where two versions are alike, each difference may as well have the other sign; of all 2^n signs, the
    share whose sum is as low, or as high, is the chance. Of equal sums, one over fewer items is further out:
    sums come in steps, and a whole step would else be counted where a part of it is as far out (Streitberg
    and Röhmel 1990, Biometrics 46). With one trial an item it is McNemar's test.
    """
    scores = _without_ties([difference for difference in differences if difference])
    sizes = [abs(score) for score in scores]
    reach, seen = sum(sizes), sum(scores)
    slot = len(sizes) + 2
    # A whole number as a polynomial: how many choices of signs have positive part p stands in slot p.
    ways = 1
    for size in sizes:
        ways += ways << (size * slot)
    return Tails(_share(ways, (reach + seen) // 2, slot), _share(ways, (reach - seen) // 2, slot))


def _without_ties(changes: Sequence[int]) -> list[int]:
    """Whole scores whose sums are ordered as those of the changes, and equal ones by the number of items."""
    unit = math.gcd(*changes) or 1
    if len(changes) > MOST_UNTIED:
        return [change // unit for change in changes]
    scale = len(changes) + 1
    return [change // unit * scale - (1 if change > 0 else -1) for change in changes]


def _share(ways: int, last: int, slot: int) -> float:
    """The share of the choices of signs that stand in slots up to the last."""
    upto = ways & ((1 << (last + 1) * slot) - 1)
    # The sum of a number's digits is what it leaves when divided by the base less one.
    return upto % ((1 << slot) - 1) / (1 << (slot - 2))


def differences(old: Sequence[Tally], new: Sequence[Tally]) -> list[int]:
    """New less old, item by item, in whole numbers: shares times the least common multiple of its trials.

    So an item with more trials than others, such as a long session that was replayed, weighs more in a test.
    """
    return [_difference(before, after) for before, after in zip(old, new, strict=True)]


def bootstrap(
    old: Sequence[Tally], new: Sequence[Tally], *, seed: int = 0, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """95 % bounds of the mean difference in share, new less old: items drawn again with both their results.

    Source: percentile bootstrap over pairs (Efron and Tibshirani 1993, chapter 13). The seed is an
    argument, so equal results have equal bounds. Where no item differs from another, drawing again shows
    nothing; then the bounds leave room for as many changes as none in so many items would (Wilson).
    """
    falls = [after.share - before.share for before, after in zip(old, new, strict=True)]
    if len(set(falls)) == 1:
        unseen = wilson(0, len(falls))[1]
        return max(-1.0, falls[0] - unseen), min(1.0, falls[0] + unseen)
    chance = random.Random(seed)
    means = sorted(sum(chance.choices(falls, k=len(falls))) / len(falls) for _ in range(resamples))
    return means[int(0.025 * resamples)], means[math.ceil(0.975 * resamples) - 1]


def holm(chances: Sequence[float]) -> list[float]:
    """Chances corrected for how many were looked at (Holm 1979, Scandinavian Journal of Statistics 6)."""
    corrected = [0.0] * len(chances)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(chances)), key=chances.__getitem__)):
        largest = max(largest, min(1.0, (len(chances) - rank) * chances[index]))
        corrected[index] = largest
    return corrected


def _difference(before: Tally, after: Tally) -> int:
    common = math.lcm(before.trials, after.trials)
    return after.passes * (common // after.trials) - before.passes * (common // before.trials)
