# SPDX-License-Identifier: Apache-2.0
"""List the entries of a corpus, and show one of them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from node0 import console
from node0.commands.corpus.entry_page import page
from node0.commands.corpus.open_corpus import open_store
from node0.finetune.corpus.store import EntryHeader


def list_entries(town: Path | None, *, role: str | None, limit: int, as_json: bool) -> None:
    """Print the newest entries, or as JSON all of them by id.

    limit: how many entries the table has; 0 shows all.
    """
    _, store = open_store(town, role)
    headers = store.headers(role)
    retracted = store.retracted().entries
    if as_json:
        console.emit([header.model_dump() for header in headers], as_json=True)
    elif headers:
        newest = newest_first(headers)
        shown = newest[:limit] if limit else newest
        console.emit([row(header, retracted=header.id in retracted) for header in shown], as_json=False)
        if len(shown) < len(headers):
            console.note(f"{len(shown)} of {len(headers)} entries; --limit 0 shows all")
    else:
        console.note(f"no entries in {store.root}; see: node0-corpus collect --help")


def show_entry(entry_id: str, town: Path | None, *, as_json: bool) -> None:
    """Print one entry, as it will be trained on."""
    _, store = open_store(town)
    entry = store.get(entry_id)
    if as_json:
        console.write(entry.model_dump_json() + "\n")
        return
    console.show("\n".join(page(entry)) + "\n")


def newest_first(headers: Iterable[EntryHeader]) -> list[EntryHeader]:
    """The order of the table."""
    return sorted(headers, key=lambda header: header.created_at, reverse=True)


def row(header: EntryHeader, *, retracted: bool) -> dict[str, Any]:
    """What the table says of an entry; `left out` is None for one that is trained on."""
    return {
        "id": header.id,
        "role": header.role,
        "rig": header.rig,
        "task": header.task_type,
        "outcome": header.outcome,
        "bead": header.bead_id,
        "created": header.created_at[:19],
        "tokens": header.tokens,
        "left out": "retracted" if retracted else "quarantine" if header.quarantined else None,
    }
