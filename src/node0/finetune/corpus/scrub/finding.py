# SPDX-License-Identifier: Apache-2.0
"""Findings of scrub rules, and how overlapping ones are joined."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple


class Tier(StrEnum):
    """What happens to a finding."""

    REDACT = "redact"
    QUARANTINE = "quarantine"
    "Somebody must look; until then nothing is trained on the entry."

    CANDIDATE = "candidate"
    "Nothing, unless a voter sees a secret there; then it is uncertain."

    KEEP = "keep"
    "Looks like a secret and is none: an example, a variable, a placeholder."


FIRMNESS = {Tier.REDACT: 0, Tier.QUARANTINE: 1, Tier.CANDIDATE: 2, Tier.KEEP: 3}


class Finding(NamedTuple):
    """One place that a rule names."""

    kind: str
    tier: Tier
    start: int
    end: int
    name: str = ""
    "What is numbered; empty for secrets."


def resolved(found: Iterable[Finding]) -> list[Finding]:
    """Findings in order, without overlaps.

    What goes or is uncertain is joined where it overlaps, so that no part of either stays. A keep only
    says that its own rule is content: it gives way to any other finding.
    """
    result: list[Finding] = []
    for finding in sorted(found, key=_order):
        last = result[-1] if result else None
        if finding.start >= finding.end:
            continue
        if last is None or finding.start >= last.end:
            result.append(finding)
        elif finding.tier is not Tier.KEEP:
            result[-1] = finding if last.tier is Tier.KEEP else _joined(last, finding)
    return result


def _order(finding: Finding) -> tuple[int, bool, int]:
    return finding.start, finding.tier is Tier.KEEP, -finding.end


def _joined(first: Finding, second: Finding) -> Finding:
    """Both places under the name of the surer, then the longer one."""
    better = min(first, second, key=lambda item: (FIRMNESS[item.tier], item.start - item.end))
    start, end = min(first.start, second.start), max(first.end, second.end)
    same = (better.start, better.end) == (start, end)
    return better._replace(start=start, end=end, name=better.name if same else "")
