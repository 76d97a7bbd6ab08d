# SPDX-License-Identifier: Apache-2.0
"""Stage entries for another operator, and approve what was staged."""

import json
from collections.abc import Mapping
from pathlib import Path

from node0 import console
from node0.commands.corpus.entry_page import page, parts
from node0.commands.corpus.open_corpus import open_store
from node0.finetune.corpus.exchange.leftovers import left_in
from node0.finetune.corpus.sharing import CorpusSharingExporter, Staged, read_staged

SHOWN = 40
"Of each kind of what is left."


def stage(role: str, output: Path, town: Path | None, *, as_json: bool) -> None:
    """Write a role's entries without what tells whose they are, and say where they lie."""
    place, store = open_store(town, role)
    staged = CorpusSharingExporter(place).stage(store, role, output)
    _tell(staged, as_json=as_json)


def print_staged(file: Path, *, as_json: bool) -> None:
    """Print a staged file as a person reads it, behind what is left in it of names, ids and paths."""
    if as_json:
        console.write(json.dumps([entry.model_dump(mode="json") for entry in read_staged(file)]) + "\n")
        return
    _tell_left(left_in(part.text for entry in read_staged(file) for part in parts(entry)))
    for number, entry in enumerate(read_staged(file), start=1):
        console.show("\n".join((f"=== line {number}", *page(entry), "", "")))


def approve(file: Path, town: Path | None, *, reviewer: str, as_json: bool) -> None:
    """Look through a reviewed file once more, and record its digest; raises `GateRefused` on a trace left."""
    place, store = open_store(town)
    approval = CorpusSharingExporter(place).approve(store, file, reviewer=reviewer)
    console.emit([approval._asdict()], as_json=as_json)
    console.note(f"{file} may leave; give its sha256 to whoever receives it")


def _tell_left(left: Mapping[str, Mapping[str, int]]) -> None:
    lines = []
    for kind, found in left.items():
        shown = [f"{value} ({count})" if count > 1 else value for value, count in found.items()][:SHOWN]
        more = f", and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        lines.append(f"{kind}: {', '.join(shown) or 'none'}{more}")
    console.show("\n".join(["=== left: does one of these tell whose it is?", *lines, "", ""]))


def _tell(staged: Staged, *, as_json: bool) -> None:
    facts = {"file": str(staged.path), "entries": staged.entries, "sha256": staged.sha256}
    if as_json:
        counts = {"redacted": dict(staged.redacted), "left_out": dict(staged.left_out)}
        console.write(json.dumps({**facts, **counts}, ensure_ascii=False) + "\n")
    else:
        console.emit([facts], as_json=False)
        for kind, count in sorted(staged.redacted.items()):
            console.note(f"taken out in the second look: {kind}: {count}")
        for reason, count in sorted(staged.left_out.items()):
            console.note(f"left out: {reason}: {count}")
    console.note(
        f"staged, not sent: read it with `node0-corpus share review {staged.path}`, "
        f"then `node0-corpus share approve {staged.path} --reviewer YOU`"
    )
