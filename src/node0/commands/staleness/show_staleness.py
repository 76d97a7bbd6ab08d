# SPDX-License-Identifier: Apache-2.0
"""List how stale versions are, and say which to train again."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from node0 import console
from node0.commands.model.cells import NOTHING
from node0.commands.model.open_registry import entries_of, open_registry
from node0.errors import GateRefused
from node0.finetune.corpus.staleness import ConventionStalenessTracker, Staleness
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.store import ModelRegistry

COLUMNS = {"CLAUDE.MD": "claude_md", "FORMULAS": "formulas", "CONFIG": "config", "STALENESS": "composite"}


def show_staleness(names: Sequence[str], town: Path | None, *, role: str | None, as_json: bool) -> int:
    """Print a row a version; the gate's exit code where one is above the limit."""
    with open_registry(town) as (registry, place):
        tracker = ConventionStalenessTracker(registry, place)
        found = [(entry, tracker.of(entry)) for entry in _chosen(registry, names, role)]
        limit = tracker.limit
    stale = [entry.spelled for entry, one in found if one is not None and one.composite > limit]
    if as_json:
        console.emit([_facts(entry, one, limit) for entry, one in found], as_json=True)
    elif found:
        console.emit([_row(entry, one) for entry, one in found], as_json=False)
    else:
        console.note("no model is registered here; see: node0 model register --help")
    if stale:
        console.note(f"above {limit:.2f}: {', '.join(stale)}; collect, train and register again")
    return GateRefused.exit_code if stale else 0


def _chosen(registry: ModelRegistry, names: Sequence[str], role: str | None) -> list[ModelRegistryEntry]:
    """Those named, or the newest of each name."""
    if names:
        return [registry.require(name) for name in names]
    newest: dict[str, ModelRegistryEntry] = {}
    for entry in entries_of(registry, role):
        newest.setdefault(entry.name, entry)
    return list(newest.values())


def _row(entry: ModelRegistryEntry, found: Staleness | None) -> dict[str, Any]:
    cells = {
        title: NOTHING if found is None else f"{getattr(found, name):.2f}" for title, name in COLUMNS.items()
    }
    return {"MODEL": entry.spelled, "REGISTERED": entry.created_at[:10], **cells}


def _facts(entry: ModelRegistryEntry, found: Staleness | None, limit: float) -> dict[str, Any]:
    drifts = {name: None if found is None else getattr(found, name) for name in COLUMNS.values()}
    stale = found is not None and found.composite > limit
    return {"model": entry.spelled, "registered": entry.created_at, **drifts, "stale": stale}
