# SPDX-License-Identifier: Apache-2.0
"""Compare two versions by outcomes that come in one after the other, looked at as often as one likes.

Each hypothesis is weighed by an e-value: a number whose mean is at most 1 where the hypothesis is true, at
every moment, so that it ever reaches 1 / alpha with a chance of alpha at most (Ville's inequality). Outcomes
are taken in blocks, of one session of the candidate and `per_candidate` of the version at work; a block adds
the likelihood ratio of an alternative to the nearest point of the hypothesis, where near is the smallest
relative entropy over the block (Grünwald, de Heide and Koolen, "Safe testing", JRSS B 86, 2024,
doi:10.1093/jrsssb/qkae011; for two shares: Turner and Grünwald, "Exact anytime-valid confidence intervals for
contingency tables and beyond", 2023, doi:10.1016/j.spl.2023.109835). The mean over alternatives on a grid is
an e-value again, and depends on how many of each kind there were, not on their order.
"""

import math
from collections.abc import Iterator, Sequence
from enum import StrEnum
from functools import cache
from typing import NamedTuple

from node0.finetune.statistics.power import ALPHA

CELLS = 20
"Shares on a side of the grid of alternatives."

BISECTIONS = 60


class Decision(StrEnum):
    """What the outcomes so far say."""

    PROMOTE = "promote"
    "The candidate is not worse than the version at work by the margin or more."

    TAKE_BACK = "take back"
    "The candidate is worse than the version at work."

    GO_ON = "go on"


class Look(NamedTuple):
    """The outcomes so far, and what they say."""

    decision: Decision
    blocks: int
    "That are whole; sessions beyond them wait for others."

    worse: float
    "Natural logarithm of the e-value against: the candidate is as good, or better."

    as_good: float
    "The same against: the candidate is worse by the margin or more."


class _Gain(NamedTuple):
    """What an outcome adds to the logarithm of one alternative's likelihood ratio."""

    stable_success: float
    stable_failure: float
    candidate_success: float
    candidate_failure: float


def look(
    stable: Sequence[bool],
    candidate: Sequence[bool],
    *,
    per_candidate: int,
    margin: float,
    alpha: float = ALPHA,
) -> Look:
    """Weigh both hypotheses by the outcomes so far.

    Args:
        stable: whether sessions of the version at work succeeded, in an order that knows no outcome.
        candidate: the same of the other version.
        per_candidate: sessions of the version at work in a block; not to be changed on the way.
        margin: fall in share that counts as worse, above 0 and below 1.
        alpha: chance, over all looks together, of each wrong decision: that a candidate is taken back which
            is as good, and that one is promoted which is worse by the margin or more.
    """
    blocks = min(len(candidate), len(stable) // per_candidate)
    counts = [*_counted(stable[: blocks * per_candidate]), *_counted(candidate[:blocks])]
    worse = _log_evidence(_gains(per_candidate, 0.0, candidate_is_worse=True), counts)
    as_good = _log_evidence(_gains(per_candidate, -margin, candidate_is_worse=False), counts)
    bound, decision = -math.log(alpha), Decision.GO_ON
    if worse >= bound:
        decision = Decision.TAKE_BACK
    elif as_good >= bound:
        decision = Decision.PROMOTE
    return Look(decision, blocks, worse, as_good)


def _counted(outcomes: Sequence[bool]) -> tuple[int, int]:
    return sum(outcomes), len(outcomes) - sum(outcomes)


def _log_evidence(gains: Sequence[_Gain], counts: Sequence[int]) -> float:
    """The logarithm of the mean likelihood ratio over the alternatives."""
    logs = [sum(gain * count for gain, count in zip(one, counts, strict=True)) for one in gains]
    most = max(logs)
    return most + math.log(sum(math.exp(one - most) for one in logs) / len(logs))


@cache
def _gains(per_candidate: int, difference: float, *, candidate_is_worse: bool) -> Sequence[_Gain]:
    """Every alternative to: candidate less stable is at least, or at most, this difference."""
    sign = -1 if candidate_is_worse else 1
    return [
        _gain(stable, candidate, per_candidate, difference)
        for stable, candidate in _grid()
        if sign * (candidate - stable - difference) > 1e-9
    ]


def _grid() -> Iterator[tuple[float, float]]:
    shares = [(cell + 0.5) / CELLS for cell in range(CELLS)]
    return ((stable, candidate) for stable in shares for candidate in shares)


def _gain(stable: float, candidate: float, per_candidate: int, difference: float) -> _Gain:
    near = _nearest(stable, candidate, per_candidate, difference)
    return _Gain(
        math.log(stable / near),
        math.log((1 - stable) / (1 - near)),
        math.log(candidate / (near + difference)),
        math.log((1 - candidate) / (1 - near - difference)),
    )


def _nearest(stable: float, candidate: float, per_candidate: int, difference: float) -> float:
    """The stable share of the hypothesis' nearest point, which lies on its border.

    There the derivative of the block's relative entropy is zero; it grows with the share.
    """
    low, high = max(0.0, -difference), min(1.0, 1.0 - difference)
    for _ in range(BISECTIONS):
        share = (low + high) / 2
        other = share + difference
        slope = per_candidate * (share - stable) / (share * (1 - share))
        slope += (other - candidate) / (other * (1 - other))
        low, high = (low, share) if slope > 0 else (share, high)
    return (low + high) / 2
