# SPDX-License-Identifier: Apache-2.0
"""Audit stored entries with the scrub rules of today."""

from pathlib import Path

from node0 import console
from node0.commands.corpus.open_corpus import open_store
from node0.commands.corpus.open_scrubber import make_scrubber
from node0.finetune.corpus.quality.audit import audit, kinds, write_report


def audit_entries(town: Path | None, *, role: str | None, strict: bool, as_json: bool) -> int:
    """Write a dated report, and print what it found; no entry is changed. 1 where it found something, else 0.

    strict: also what waits in quarantine or was accepted in review.
    """
    place, store = open_store(town, role)
    console.note(f"looking at the entries in {store.root} with the rules of today")
    report = audit(store, make_scrubber((), town=place), role=role, strict=strict)
    path = write_report(report, store.root)
    if as_json:
        console.emit([report], as_json=True)
    elif report["flagged"]:
        console.emit(kinds(report), as_json=False)
    if report["flagged"]:
        console.note(
            "next: node0 corpus collect --again scrubs sessions with the rules of today; of others, "
            "node0 corpus retract ID --delete takes one out"
        )
    console.note(f"{report['audited']} entries audited, {len(report['flagged'])} flagged; report: {path}")
    return 1 if report["flagged"] else 0
