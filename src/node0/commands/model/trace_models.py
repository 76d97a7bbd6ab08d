# SPDX-License-Identifier: Apache-2.0
"""Commands that follow a model back to what it was made of: lineage, which versions saw an entry, bom."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from node0 import console
from node0.commands.model.cells import DIGEST, NOTHING, base_name
from node0.commands.model.open_registry import open_registry
from node0.files import write_atomically
from node0.finetune.corpus.retract_list import RetractList
from node0.finetune.registry import seen_entries
from node0.finetune.registry.ml_bom import ml_bom
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.town import Town


def lineage(name: str, town: Path | None, *, as_json: bool) -> None:
    """Print where a version comes from, back to the first one."""
    found: dict[str, ModelRegistryEntry] = {}
    with open_registry(town) as (registry, _):
        entry: ModelRegistryEntry | None = registry.require(name)
        while entry is not None and entry.spelled not in found:
            found[entry.spelled] = entry
            entry = registry.get(entry.parent) if entry.parent else None
    rows = [_origin(one, seen_entries.counts(one)) for one in found.values()]
    console.emit(rows, as_json=as_json, title=f"lineage of {name}")


def who_saw(entry_id: str | None, town: Path | None, *, as_json: bool) -> None:
    """Print which versions learned from an entry, or from any that was retracted since."""
    with open_registry(town) as (registry, place):
        ids, digests = _wanted(entry_id, place)
        found = [
            row for entry in registry.list() for row in seen_entries.seen_entries(entry, ids, digests=digests)
        ]
    if as_json:
        console.emit([dict(row._asdict()) for row in found], as_json=True)
        return
    if found:
        console.emit([_sighting(row) for row in found], as_json=False)
    trained = sorted({row.model for row in found if row.split == "train"})
    console.note(f"retrain: {', '.join(trained)}" if trained else "no registered version was trained on it")


def bom(name: str, town: Path | None, *, output: Path | None) -> None:
    """Write the ML-BOM of a version."""
    with open_registry(town) as (registry, _):
        entry = registry.require(name)
        registry.require_whole(entry)
        content = ml_bom(entry, registry.evaluations(entry))
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    if output is None:
        console.write(text)
    else:
        write_atomically(output, text, shared=True)
        console.note(f"wrote {output}")


def _wanted(entry_id: str | None, town: Town) -> tuple[set[str], set[str]]:
    """Ids and contents that are looked for: of one entry, or of all that were retracted."""
    retracted = RetractList(town.corpus).entries
    chosen = retracted if entry_id is None else {n: r for n, r in retracted.items() if n == entry_id}
    digests = {one.content_digest for one in chosen.values()}
    return {*chosen, *([entry_id] if entry_id is not None else [])}, digests


def _origin(entry: ModelRegistryEntry, seen: Mapping[str, int]) -> dict[str, Any]:
    return {
        "MODEL": entry.spelled,
        "BASE": base_name(entry.base_model),
        "CORPUS": entry.corpus_hash[:DIGEST] or NOTHING,
        "TRAINED": seen.get("train", 0),
        "HELD": seen.get("val", 0),
        "PARENT": entry.parent or NOTHING,
    }


def _sighting(row: seen_entries.Seen) -> dict[str, Any]:
    return {
        "MODEL": row.model,
        "ENTRY": row.entry_id,
        "CONTENT": row.content_digest[:DIGEST],
        "SPLIT": row.split,
        "SEEN": row.times_seen,
    }
