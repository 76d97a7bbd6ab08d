# SPDX-License-Identifier: Apache-2.0
"""Read every entry of a corpus whole, to find those that are wrong."""

from pathlib import Path

from node0 import console
from node0.commands.corpus.open_corpus import open_store
from node0.finetune.corpus.quality.entry_validation import problems_in


def validate_entries(town: Path | None, *, role: str | None, as_json: bool) -> int:
    """Print what is wrong with digest, turns and recorded calls; 1 when anything is."""
    _, store = open_store(town, role)
    paths = store.paths(role)
    found = [
        {"file": path.relative_to(store.root).as_posix(), "problem": problem}
        for path in paths
        for problem in problems_in(path)
    ]
    console.emit(found, as_json=as_json)
    console.note(f"{len(paths)} entries read, {len(found)} problems")
    return console.FAILED if found else 0
