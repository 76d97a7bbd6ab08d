# SPDX-License-Identifier: Apache-2.0
"""Commands that compare versions: compare, attach, show, record, list, export."""

import json
from pathlib import Path
from typing import Any

from node0 import console
from node0.commands.dpo.side_by_side import show_beside
from node0.commands.known_role import require_role
from node0.commands.model.cells import NOTHING
from node0.commands.model.open_registry import open_registry
from node0.files import write_atomically
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.dpo.exporter import DPOExporter
from node0.finetune.dpo.preference_log import SIDES, Preference, PreferenceLog
from node0.finetune.dpo.router import DPORouter


def compare(bead: str, model_a: str, model_b: str, town: Path | None) -> None:
    """Begin a comparison."""
    with open_registry(town, create=True) as (registry, _):
        branches = DPORouter(registry).create_comparison(bead, model_a, model_b)
        has_branches = PreferenceLog(registry.store).has_branches
    where = "branches" if has_branches else "sides; this store has no branches (node0 store dolt start)"
    console.note(f"{bead}: {branches[0]} and {branches[1]} are the {where}")
    console.note(f"when both are collected: node0 dpo attach {bead} ENTRY --side a, and --side b")


def attach(bead: str, entry_id: str, town: Path | None, *, side: str) -> None:
    """Keep a session as what a side did."""
    with open_registry(town, create=True) as (registry, place):
        entry = CorpusStore(place).get(entry_id)
        preference = DPORouter(registry).attach(bead, side, entry)
    model = preference.model_a if side == "a" else preference.model_b
    console.note(f"{entry_id} is what {model} did with {bead}")


def show(bead: str, town: Path | None, *, as_json: bool) -> None:
    """Print both transcripts beside each other."""
    with open_registry(town) as (registry, _):
        log = PreferenceLog(registry.store)
        preference = log.find(bead)
        sides = {side: log.transcript(preference, side) for side in SIDES}
    messages = {side: entry.messages if entry is not None else [] for side, entry in sides.items()}
    if as_json:
        console.emit([preference.model_dump() | {"a": messages["a"], "b": messages["b"]}], as_json=True)
        return
    if not (messages["a"] or messages["b"]):
        console.note(f"nothing to compare yet: node0 dpo attach {bead} ENTRY --side a, and --side b")
        return
    titles = (f"a: {preference.model_a}", f"b: {preference.model_b}")
    alike = show_beside(messages["a"], messages["b"], titles=titles, about=bead, before=0)
    console.note(f"{alike} turns before these are the same; better is: {preference.winner or 'not decided'}")


def record(bead: str, town: Path | None, *, winner: str, reason: str) -> None:
    """Keep who did better."""
    with open_registry(town, create=True) as (registry, _):
        preference = DPORouter(registry).record_winner(bead, winner, reason=reason)
    better, worse = preference.model_a, preference.model_b
    if winner == "b":
        better, worse = worse, better
    console.note(f"{bead}: {better} did better than {worse}")


def list_comparisons(town: Path | None, *, role: str | None, as_json: bool) -> None:
    """Print a row a comparison."""
    with open_registry(town) as (registry, place):
        require_role(role, place, (entry.role for entry in registry.list()))
        found = PreferenceLog(registry.store).list(role=role)
    if as_json:
        console.emit([one.model_dump() for one in found], as_json=True)
    elif found:
        console.emit([_row(one) for one in found], as_json=False)
    else:
        console.note("nothing was compared; see: node0 dpo compare --help")


def export(role: str, output: Path, town: Path | None, *, unpaired: bool) -> None:
    """Write pairs or labelled sessions."""
    with open_registry(town) as (registry, place):
        require_role(role, place, (entry.role for entry in registry.list()))
        exporter = DPOExporter(registry.store, CorpusStore(place))
        count = _write_unpaired(exporter, role, output) if unpaired else exporter.export_pairs(role, output)
    what = "labelled sessions" if unpaired else "pairs"
    console.note(f"{count} {what} of {role} in {output}")
    if count and not unpaired:
        console.note(f"to train on them: node0 corpus add {output}, then node0 finetune --set mode=dpo")


def _write_unpaired(exporter: DPOExporter, role: str, output: Path) -> int:
    lines = [json.dumps(row, ensure_ascii=False) for row in exporter.unpaired(role)]
    write_atomically(output, "".join(f"{line}\n" for line in lines))
    return len(lines)


def _row(one: Preference) -> dict[str, Any]:
    return {
        "BEAD": one.task_bead_id,
        "ROLE": one.role,
        "A": one.model_a,
        "B": one.model_b,
        "BETTER": one.winner or NOTHING,
        "SINCE": one.created_at[:10],
    }
