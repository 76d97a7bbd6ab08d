# SPDX-License-Identifier: Apache-2.0
"""Count entries, tokens and lengths over the headers of a corpus."""

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

from node0.finetune.corpus.store import EntryHeader

KEYS = ("role", "source", "task_type", "outcome")


def groups(headers: Iterable[EntryHeader], retracted: Collection[str] = ()) -> list[dict[str, Any]]:
    """Entries, estimated tokens and bytes for each role, source, task type and outcome, sorted.

    Args:
        retracted: Ids that are on the retract list.
    """
    counts: dict[tuple[str, ...], Counter[str]] = {}
    for header in headers:
        count = counts.setdefault(tuple(getattr(header, name) for name in KEYS), Counter())
        count["entries"] += 1
        count["quarantined"] += header.quarantined
        count["retracted"] += header.id in retracted
        count["tokens"] += header.tokens
        count["bytes"] += header.bytes
    return [{**dict(zip(KEYS, key, strict=True)), **counts[key]} for key in sorted(counts)]


def histogram(headers: Iterable[EntryHeader]) -> list[dict[str, Any]]:
    """Entries by estimated tokens, in bins that double; empty bins between full ones are kept."""
    counts = Counter(header.tokens.bit_length() for header in headers)
    if not counts:
        return []
    return [
        {"from": 2**power // 2, "below": 2**power, "entries": counts[power]}
        for power in range(min(counts), max(counts) + 1)
    ]
