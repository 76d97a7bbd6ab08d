# SPDX-License-Identifier: Apache-2.0
"""Commands that follow a model back to what it was made of: lineage, which versions saw an entry, bom."""

import json
from pathlib import Path
from typing import Any

from node0 import console
from node0.commands.model.cells import DIGEST, NOTHING, base_name
from node0.commands.model.open_registry import open_registry
from node0.files import write_atomically
from node0.finetune.corpus.retract_list import RetractList
from node0.finetune.registry import seen_entries
from node0.finetune.registry.deployment_log import DeploymentLog
from node0.finetune.registry.ml_bom import ml_bom
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town

LINEAGE = {
    *("role", "parent", "base_model", "base_digest", "corpus_hash", "entries_sha256", "scrub_version"),
    *("code_version", "training_config", "created_at"),
}
"What of a version says where it comes from."


def lineage(name: str, town: Path | None, *, as_json: bool) -> None:
    """Print where a version comes from, back to the first one; as JSON with all that was made of what."""
    with open_registry(town) as (registry, _):
        found = ancestry(registry, name)
        if as_json:
            console.emit([_record(registry, one) for one in found], as_json=True)
            return
    console.emit([origin(one) for one in found], as_json=False, title=f"lineage of {name}")


def ancestry(registry: ModelRegistry, name: str) -> list[ModelRegistryEntry]:
    """A version, the one that it was trained from, and so on.

    Raises:
        NotFound: there is no such version.
    """
    found: dict[str, ModelRegistryEntry] = {}
    entry: ModelRegistryEntry | None = registry.require(name)
    while entry is not None and entry.spelled not in found:
        found[entry.spelled] = entry
        entry = registry.get(entry.parent) if entry.parent else None
    return list(found.values())


def who_saw(entry_id: str | None, town: Path | None, *, as_json: bool) -> None:
    """Print which versions learned from an entry, or from any that was retracted since."""
    with open_registry(town) as (registry, place):
        ids, digests = _wanted(entry_id, place)
        found = seen_entries.sightings(registry.list(), ids, digests=digests)
    if as_json:
        console.emit([dict(row._asdict()) for row in found], as_json=True)
        return
    if found:
        console.emit([_sighting(row) for row in found], as_json=False)
    trained = sorted({row.model for row in found if row.split in ("train", seen_entries.INHERITED)})
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


def _record(registry: ModelRegistry, entry: ModelRegistryEntry) -> dict[str, Any]:
    log = DeploymentLog(registry.store).list()
    return {
        "model": entry.spelled,
        **entry.model_dump(mode="json", include=LINEAGE),
        "entries": [_without_model(row) for row in seen_entries.seen_entries(entry)],
        "evaluations": [one.model_dump(mode="json") for one in registry.evaluations(entry)],
        "deployments": [row.model_dump(mode="json") for row in log if row.spelled == entry.spelled],
    }


def _without_model(row: seen_entries.Seen) -> dict[str, Any]:
    return {name: value for name, value in row._asdict().items() if name != "model"}


def origin(entry: ModelRegistryEntry) -> dict[str, Any]:
    """What the table of a lineage says of a version."""
    seen = seen_entries.counts(entry)
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
