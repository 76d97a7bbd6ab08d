# SPDX-License-Identifier: Apache-2.0
"""Compare two versions category by category, on the items that both of them did."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from node0.finetune.statistics.paired import bootstrap, differences, holm, sign_flips
from node0.finetune.statistics.power import ALPHA, smallest_fall
from node0.finetune.statistics.spread import noise, spread
from node0.finetune.statistics.tallies import Tally
from node0.finetune.statistics.verdict import Verdict

MARGIN = 0.05
"A fall that is smaller does not matter: five points."

Outcomes = Mapping[str, Mapping[str, Tally]]
"Tally by category and item."


@dataclass(frozen=True, slots=True)
class Compared:
    """One category of two versions, over the items that both have."""

    category: str
    items: int
    old: float
    new: float
    low: float
    high: float
    "Bootstrap bounds of new less old."

    gains: int
    losses: int
    "Items whose share rose, and fell."

    chance: float
    "Of so large a fall where nothing changed, corrected by Holm over the categories."

    detectable: float
    "The smallest fall that so many items would show nine times of ten."

    trials: int
    "The fewest that an item had."

    spread: float
    "Variance of the difference in share, from item to item."

    noise: float
    "Of that, what is due to chance in single trials, so that more of them would take it away."

    verdict: Verdict
    "Pass: it fell by less than the margin, if at all. Fail: else, where it fell. Else too little was seen."

    @property
    def delta(self) -> float:
        """New less old."""
        return self.new - self.old


def read_outcomes(kept: Mapping[str, Mapping[str, Sequence[int]]]) -> Outcomes:
    """Outcomes as JSON keeps them: passes and trials by category and item."""
    return {
        category: {item: Tally(*pair) for item, pair in items.items()} for category, items in kept.items()
    }


def compare(old: Outcomes, new: Outcomes, *, alpha: float = ALPHA, margin: float = MARGIN) -> list[Compared]:
    """Every category that both have items of, by name.

    Args:
        old, new: outcomes of the same suite; items of one alone are left out.
        alpha: chance, over all categories together, that one is said to have fallen where none has.
        margin: fall in share that is borne: one that is surely smaller passes, also where it is no chance.
    """
    pairs = _pairs_by_category(old, new)
    corrected = chances(old, new)
    return [
        _compared(name, pair, corrected[name], looks=len(pairs), alpha=alpha, margin=margin)
        for name, pair in pairs.items()
    ]


def chances(old: Outcomes, new: Outcomes) -> dict[str, float]:
    """By category, the chance of so large a fall where nothing changed, corrected by Holm."""
    pairs = _pairs_by_category(old, new)
    exact = [sign_flips(differences(*pair)).worse for pair in pairs.values()]
    return dict(zip(pairs, holm(exact), strict=True))


def verdict_of(low: float, chance: float, *, alpha: float = ALPHA, margin: float = MARGIN) -> Verdict:
    """What the lower bound of new less old and the chance of such a fall say together."""
    if low > -margin:
        return Verdict.PASS
    return Verdict.FAIL if chance < alpha else Verdict.INCONCLUSIVE


def _pairs_by_category(old: Outcomes, new: Outcomes) -> dict[str, tuple[list[Tally], list[Tally]]]:
    pairs = {name: _pairs(old[name], new[name]) for name in sorted(old.keys() & new.keys())}
    return {name: pair for name, pair in pairs.items() if pair[0]}


def _pairs(old: Mapping[str, Tally], new: Mapping[str, Tally]) -> tuple[list[Tally], list[Tally]]:
    shared = sorted(old.keys() & new.keys())
    return [old[item] for item in shared], [new[item] for item in shared]


def _compared(
    name: str,
    pair: tuple[list[Tally], list[Tally]],
    chance: float,
    *,
    looks: int,
    alpha: float,
    margin: float,
) -> Compared:
    before, after = pair
    changes = differences(before, after)
    low, high = bootstrap(before, after)
    return Compared(
        category=name,
        items=len(before),
        old=sum(tally.share for tally in before) / len(before),
        new=sum(tally.share for tally in after) / len(after),
        low=low,
        high=high,
        gains=sum(change > 0 for change in changes),
        losses=sum(change < 0 for change in changes),
        chance=chance,
        detectable=smallest_fall(before, after, looks=looks, alpha=alpha),
        trials=min(tally.trials for tally in (*before, *after)),
        spread=spread(before, after),
        noise=noise(before, after),
        verdict=verdict_of(low, chance, alpha=alpha, margin=margin),
    )
