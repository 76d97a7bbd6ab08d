# SPDX-License-Identifier: Apache-2.0
"""Add examples in another trainer's format to a corpus, scrubbed."""

from collections.abc import Sequence
from pathlib import Path

from node0 import console
from node0.commands.corpus.open_corpus import open_store
from node0.commands.corpus.open_scrubber import make_scrubber
from node0.finetune.corpus.collect.look_again import look_again
from node0.finetune.corpus.exchange.curated import read_curated
from node0.finetune.corpus.exchange.interchange import entry_fields


def import_examples(
    files: Sequence[Path], town: Path | None, *, role: str | None, deny: Sequence[str], as_json: bool
) -> None:
    """Add the examples of every file, and print what became of each; a bad file adds nothing.

    role: for examples that name none.
    """
    place, store = open_store(town, role)
    scrubber = make_scrubber(deny, town=place)
    # Everything is read before anything is stored, so that a bad file adds nothing.
    entries = [
        scrubber.scrub_entry(entry).entry
        for file in files
        for entry in read_curated(file, role=role, task_type="imported", convert=entry_fields)
    ]
    rows = [{"id": entry.id, "role": entry.role, "did": store.add(entry).value} for entry in entries]
    look_again(store, scrubber)
    console.emit(rows, as_json=as_json)
    console.note(f"{len(rows)} examples read")
