# SPDX-License-Identifier: Apache-2.0
"""Audit stored entries with the scrub rules of today."""

from pathlib import Path

from node0 import console
from node0.commands.corpus.open_corpus import open_store
from node0.commands.corpus.open_scrubber import make_scrubber
from node0.finetune.corpus.quality.audit import audit, kinds, write_report


def audit_entries(town: Path | None, *, role: str | None, strict: bool, as_json: bool) -> None:
    """Write a dated report, and print what it found; no entry is changed.

    strict: also what waits in quarantine or was accepted in review.
    """
    place, store = open_store(town, role)
    report = audit(store, make_scrubber((), town=place), role=role, strict=strict)
    path = write_report(report, store.root)
    if as_json:
        console.emit([report], as_json=True)
    elif report["flagged"]:
        console.emit(kinds(report), as_json=False)
    console.note(f"{report['audited']} entries audited, {len(report['flagged'])} flagged; report: {path}")
