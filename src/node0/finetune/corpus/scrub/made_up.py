# SPDX-License-Identifier: Apache-2.0
"""Let what was made up be: findings of a text that was scrubbed before are of surrogates, also in parts."""

import string
from collections.abc import Iterable, Iterator
from typing import Protocol

from node0.finetune.corpus.scrub.finding import Finding, Tier
from node0.finetune.corpus.scrub.lookalikes import ALIKE_AMONG_OURS, AMONG_OURS, KIND, OURS

AROUND = string.ascii_letters + string.digits + "+/_%\\-"
"Signs of the stretch that a value may be part of; it reaches no further than `LONGEST_STRETCH`."

LONGEST_STRETCH = 512
LONGEST_ESCAPE = len(r"\u0041")


class Ours(Protocol):
    """Knows what was made up to stand for a value."""

    def is_one(self, written: str) -> bool:
        """Whether this is one, all of it."""

    def are_all(self, written: str) -> bool:
        """Whether this is nothing else, beside words and signs."""


def without_made_up(text: str, found: Iterable[Finding], ours: Ours) -> Iterator[Finding]:
    """All findings; those are kept at which something stands for the value already."""
    for one in found:
        own = "" if one.name or _is_made_up(one) else _own(text, one, ours)
        if own and one.kind == KIND:
            own = KIND if own == OURS else ALIKE_AMONG_OURS
        yield one._replace(kind=own, tier=Tier.KEEP) if own else one


def _is_made_up(one: Finding) -> bool:
    """Whether that is known already, of another reading."""
    return one.tier is Tier.KEEP and one.kind in (KIND, OURS, AMONG_OURS, ALIKE_AMONG_OURS)


def _own(text: str, one: Finding, ours: Ours) -> str:
    """The kind of what stands for a value already; nothing where something does not."""
    readings = list(_readings(text, one))
    if any(map(ours.is_one, readings)):
        return OURS
    if any(map(ours.are_all, readings)):
        return AMONG_OURS
    dotted = _around(text, one, AROUND + ".")
    if ours.is_one(_around(text, one, AROUND)) or ours.is_one(dotted):
        return OURS
    pieces = [piece for piece in dotted.split(".") if piece]
    return OURS if pieces and all(map(ours.is_one, pieces)) else ""


def _readings(text: str, one: Finding) -> Iterator[str]:
    """The value, and what it is where the backslash before it begins no escape."""
    yield text[one.start : one.end]
    backslash = text.rfind("\\", max(0, one.start - LONGEST_ESCAPE), one.start)
    if backslash >= 0:
        yield text[backslash + 1 : one.end]


def _around(text: str, one: Finding, signs: str) -> str:
    """The stretch of such signs that the value is a part of."""
    before = text[max(0, one.start - LONGEST_STRETCH) : one.start]
    behind = text[one.end : one.end + LONGEST_STRETCH]
    start = one.start - len(before) + len(before.rstrip(signs))
    return text[start : one.end + len(behind) - len(behind.lstrip(signs))]
