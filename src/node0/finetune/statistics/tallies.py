# SPDX-License-Identifier: Apache-2.0
"""Estimate scores with 95 % bounds from items that were each tried one or more times."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from node0.finetune.statistics.wilson import wilson


class Tally(NamedTuple):
    """How often one item passed, of how many trials."""

    passes: int
    trials: int

    @property
    def share(self) -> float:
        """Its score: the share of trials that passed."""
        return self.passes / self.trials


class Estimate(NamedTuple):
    """A score with bounds of 95 % confidence."""

    score: float
    low: float
    high: float
    items: int


def estimate(tallies: Sequence[Tally]) -> Estimate:
    """The mean share over items, with Wilson's bounds at the effective number of trials.

    Raises:
        ValueError: there is no item.
    """
    if not tallies:
        raise ValueError("no items")
    score = sum(tally.share for tally in tallies) / len(tallies)
    number = effective(tallies)
    low, high = wilson(min(score * number, number), number)
    return Estimate(score, low, high, len(tallies))


def effective(tallies: Sequence[Tally]) -> float:
    """As how many independent trials these items count (Kish 1965): p(1-p) over the variance of the mean.

    Trials of one item are alike, so this is at least the number of items and at most that of trials.
    """
    items, trials = len(tallies), sum(tally.trials for tally in tallies)
    score = sum(tally.share for tally in tallies) / items
    spread = sum((tally.share - score) ** 2 for tally in tallies)
    if items < 2 or spread == 0:
        return float(items)
    variance = spread / (items - 1) / items
    return min(max(score * (1 - score) / variance, float(items)), float(trials))


def composite(parts: Mapping[str, Estimate], weights: Mapping[str, float] | None = None) -> Estimate:
    """The weighted mean of categories; equal weights where none are given.

    The bounds recover each part's variance from its own bounds (MOVER; Zou and Donner 2008,
    doi:10.1002/sim.3095), so they stay honest where every item passed.

    Raises:
        ValueError: there is no part, or no weight above 0.
    """
    given = {name: 1.0 if weights is None else weights.get(name, 0.0) for name in parts}
    total = sum(given.values())
    if total <= 0:
        raise ValueError("no category has a weight above 0")
    share = {name: weight / total for name, weight in given.items()}
    score = sum(share[name] * part.score for name, part in parts.items())
    below = math.sqrt(sum((share[name] * (part.score - part.low)) ** 2 for name, part in parts.items()))
    above = math.sqrt(sum((share[name] * (part.high - part.score)) ** 2 for name, part in parts.items()))
    items = sum(part.items for part in parts.values())
    return Estimate(score, max(0.0, score - below), min(1.0, score + above), items)


def pass_power(tallies: Sequence[Tally], k: int) -> float:
    """The chance that all of k trials of an item pass, mean over items (pass^k; tau-bench, arXiv:2406.12045).

    Unbiased: C(passes, k) / C(trials, k) an item.

    Raises:
        ValueError: an item has fewer than k trials.
    """
    if any(tally.trials < k for tally in tallies) or not tallies:
        raise ValueError(f"pass^{k} needs {k} trials of every item")
    return sum(math.comb(tally.passes, k) / math.comb(tally.trials, k) for tally in tallies) / len(tallies)
