# SPDX-License-Identifier: Apache-2.0
"""The report of one collection, in counts."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass
class CollectionReport:
    """What one collection did."""

    sessions: int = 0
    "Sessions with a transcript."

    exact_calls: int = 0
    reconstructed_calls: int = 0
    entries: Counter[str] = field(default_factory=Counter)
    "Entries by what happened to them: new, updated, unchanged, removed."

    outcomes: Counter[str] = field(default_factory=Counter)
    redacted: Counter[str] = field(default_factory=Counter)
    uncertain: Counter[str] = field(default_factory=Counter)
    "Findings that put an entry into quarantine."

    skipped: Counter[str] = field(default_factory=Counter)

    def rows(self) -> list[dict[str, Any]]:
        """The report as a table: what, which, how many."""
        rows: list[dict[str, Any]] = [
            {"what": "sessions", "which": "read", "count": self.sessions},
            {"what": "requests", "which": "exact", "count": self.exact_calls},
            {"what": "requests", "which": "reconstructed", "count": self.reconstructed_calls},
        ]
        parts = {
            "entries": self.entries,
            "outcome": self.outcomes,
            "redacted": self.redacted,
            "quarantined": self.uncertain,
            "skipped": self.skipped,
        }
        for what, counts in parts.items():
            rows += [{"what": what, "which": which, "count": counts[which]} for which in sorted(counts)]
        return rows
