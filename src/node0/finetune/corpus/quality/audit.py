# SPDX-License-Identifier: Apache-2.0
"""Audit entries that were scrubbed earlier with the rules of today, into a dated report."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from node0.files import write_atomically
from node0.finetune.corpus.scrubber import CorpusScrubber
from node0.finetune.corpus.store import CorpusStore


def audit(
    store: CorpusStore, scrubber: CorpusScrubber, *, role: str | None = None, strict: bool = False
) -> dict[str, Any]:
    """Look at every stored entry of a role, or of all; the store stays as it is.

    Returns:
        date, role, strict, scrub_version, audited (entries), older (of them scrubbed by other rules)
        and flagged: by entry id, what was found, without the values.
    """
    headers = store.headers(role)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "role": role,
        "strict": strict,
        "scrub_version": scrubber.version,
        "audited": len(headers),
        "older": sum(header.scrub_version != scrubber.version for header in headers),
        "flagged": scrubber.audit_store(store, role, strict=strict),
    }


def write_report(report: Mapping[str, Any], root: Path) -> Path:
    """The report beside the entries, as `audit-report-<date>.json`; another of that day is replaced."""
    path = root / f"audit-report-{date.fromisoformat(report['date']).isoformat()}.json"
    write_atomically(path, json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    return path


def kinds(report: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
    """The flagged entries as a table: id, how many places, which kinds."""
    return [
        {
            "id": entry_id,
            "places": len(found),
            "found": ", ".join(sorted({line.split(" in ")[0] for line in found})),
        }
        for entry_id, found in report["flagged"].items()
    ]
