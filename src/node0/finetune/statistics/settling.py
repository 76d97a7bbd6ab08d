# SPDX-License-Identifier: Apache-2.0
"""What a comparison leaves open of a version as a whole, and how many trials or items would settle it."""

import math
from collections.abc import Iterator, Sequence
from statistics import NormalDist
from typing import NamedTuple

from node0.finetune.statistics.power import ALPHA, MOST_ITEMS
from node0.finetune.statistics.regression import MARGIN, Compared
from node0.finetune.statistics.verdict import Verdict

MOST_TRIALS = 100
"Of an item; what needs more is told in items."
EPSILON = 1e-9
"A fall of just the margin is not beyond it, however shares are rounded."


class More(NamedTuple):
    """About what would settle it, were the difference as it was seen."""

    trials: int | None
    "Of each item, by both versions; None where items differ so much that no number would do."

    items: int
    "Or so many in all, with as many trials as now."


class Unsettled(NamedTuple):
    """A fall by more than the margin that was neither shown nor excluded."""

    category: str | None
    "None: all of them together."

    delta: float
    "New less old, as seen."

    low: float
    "Lower bound of it."

    more: More | None
    "None: the difference is so near to the margin that nothing settles it."


def unsettled(
    compared: Sequence[Compared], *, alpha: float = ALPHA, margin: float = MARGIN
) -> Iterator[Unsettled]:
    """Why a version in which no category is shown to have fallen is not shown to be as good either.

    That is each category in which it was seen to be worse by more than the margin, which may be chance; where
    there is none, all categories together, if their mean may be so much worse. That a single category may be
    is no reason where it was not seen: a few dozen items cannot exclude it, whatever the version is like.
    """
    beyond = -margin - EPSILON
    seen = [one for one in compared if one.verdict is Verdict.INCONCLUSIVE and one.delta < beyond]
    for one in seen:
        yield Unsettled(one.category, one.delta, one.low, _to_show(one, alpha / len(compared)))
    if compared and not seen and not any(one.verdict is Verdict.FAIL for one in compared):
        yield from _together(compared, margin)


def _together(compared: Sequence[Compared], margin: float) -> Iterator[Unsettled]:
    """The mean over categories; its bound recovers each one's variance from its own (`tallies.composite`)."""
    delta = sum(one.delta for one in compared) / len(compared)
    width = math.hypot(*(one.delta - one.low for one in compared)) / len(compared)
    if delta - width <= -margin:
        yield Unsettled(None, delta, delta - width, _to_exclude(compared, width, room=delta + margin))


def _to_exclude(compared: Sequence[Compared], width: float, *, room: float) -> More | None:
    """What would make the way from the difference to its bound as short as that to the margin."""
    if room < EPSILON:
        return None
    spread = sum(one.spread / one.items for one in compared)
    noise = sum(one.noise / one.items for one in compared) / spread if spread else 0.0
    # Without spread the width is Wilson's bound of none in n, whose odds and not whose square are as 1 to n.
    excess = (width / room) ** 2 if spread else width / (1 - width) / (room / (1 - room))
    items, trials = sum(one.items for one in compared), min(one.trials for one in compared)
    return _more(excess, noise=noise, trials=trials, items=items)


def _to_show(one: Compared, level: float) -> More | None:
    """What would show a fall as large as was seen, which adds to the spread (`power.smallest_fall`)."""
    fall = -one.delta
    spread = one.spread + fall * fall
    excess = NormalDist().inv_cdf(1 - level) ** 2 * spread / one.items / (fall * fall)
    return _more(
        excess,
        noise=one.noise / spread,
        trials=one.trials,
        items=one.items,
        least=math.ceil(math.ceil(math.log2(1 / level)) / fall),
    )


def _more(excess: float, *, noise: float, trials: int, items: int, least: int = 0) -> More | None:
    """What shrinks a variance by this factor.

    Args:
        excess: the factor.
        noise: share of the variance that is due to chance in single trials; the rest is in the items.
        trials, items: that there are.
        least: items that a test needs, whatever they are like.
    """
    left = 1 / excess - (1 - noise)
    wanted = math.ceil(trials * noise / left) if left > 0 else 0
    enough = max(math.ceil(items * excess), items + 1, least)
    if enough > MOST_ITEMS:
        return None
    return More(max(wanted, trials + 1) if 0 < wanted <= MOST_TRIALS else None, enough)
