# SPDX-License-Identifier: Apache-2.0
"""Write entries as JSON lines that other trainers read."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from node0 import console
from node0.commands.corpus.open_corpus import open_store
from node0.files import whole_file
from node0.finetune.corpus.exchange.interchange import export_lines
from node0.finetune.corpus.exchange.interchange_turns import Format
from node0.finetune.corpus.quality.copied_answers import copied_answers
from node0.finetune.corpus.schema import CorpusEntry


@dataclass(frozen=True, slots=True)
class Export:
    """Which entries are written, and how."""

    ids: tuple[str, ...]
    "None of them means every entry of the role."

    role: str | None
    form: Format
    facts: bool
    "Also role, outcome, bead and the like."

    copied: Literal["once", "every"] = "once"
    "Whether what a resume or a fork copied is learnt in one of these entries, or in each."


def print_entries(choice: Export, town: Path | None) -> None:
    """Print each entry on a line; quarantined and retracted ones stay."""
    skipped: Counter[str] = Counter()
    for line in _lines(choice, town, skipped):
        console.write(line)
    _note_skipped(skipped)


def write_entries(choice: Export, town: Path | None, output: Path, *, as_json: bool) -> None:
    """Write each entry on a line of a file, whole or not at all, and say how many there are."""
    skipped: Counter[str] = Counter()
    lines = _lines(choice, town, skipped)
    with whole_file(output) as file:
        written = sum(file.write(line) > 0 for line in lines)
    if as_json:
        counts = {"file": str(output), "entries": written, "left_out": dict(skipped)}
        console.write(json.dumps(counts, ensure_ascii=False) + "\n")
        return
    console.note(f"{written} entries written to {output}")
    _note_skipped(skipped)


def _lines(choice: Export, town: Path | None, skipped: Counter[str]) -> Iterator[str]:
    """The lines, one by one; what is left out is counted by reason in `skipped`."""
    _, store = open_store(town, choice.role)
    retracted = store.retracted().holds

    def chosen() -> Iterator[CorpusEntry]:
        return (store.get(name) for name in choice.ids) if choice.ids else store.entries(choice.role)

    leaving = (entry for entry in chosen() if not entry.quarantined and not retracted(entry))
    copied = copied_answers(leaving) if choice.copied == "once" else {}
    lines = export_lines(
        chosen(), choice.form, skipped, facts=choice.facts, retracted=retracted, copied=copied
    )
    return (json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def _note_skipped(skipped: Counter[str]) -> None:
    for reason, count in sorted(skipped.items()):
        console.note(f"left out: {reason}: {count}")
