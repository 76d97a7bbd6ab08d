# SPDX-License-Identifier: Apache-2.0
"""Commands that change what is kept: register, promote, prune, remove, note."""

import shlex
from pathlib import Path

from node0 import console
from node0.commands.model.open_registry import conventions_of, entries_of, open_registry
from node0.finetune.registry.pruning import prunable
from node0.finetune.registry.pruning import prune as prune_models
from node0.finetune.registry.pruning import remove as remove_model
from node0.finetune.registry.publish import publish
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.states import Alias
from node0.finetune.run_dir import RunDirectory


def register(
    directory: Path, town: Path | None, *, name: str | None, role: str | None, in_place: bool, as_json: bool
) -> None:
    """Keep a directory as the next version of a name, and say which that is."""
    with open_registry(town, create=True) as (registry, place):
        models = None if in_place else place.models
        entry, is_new = publish(
            registry, directory, name=name, role=role, models=models, conventions=conventions_of(place)
        )
    size = sum(file.size for file in entry.artefacts)
    if as_json:
        console.emit([entry.model_dump(mode="json") | {"is_new": is_new}], as_json=True)
        return
    said = "registered" if is_new else "nothing new, these files are"
    files = f"{len(entry.artefacts)} files, {size:,} bytes"
    console.note(f"{said} {entry.spelled} for {entry.role}: {files} in {entry.artifact_path}")
    console.note(f"next: {_next(directory, entry)}")


def _next(directory: Path, entry: ModelRegistryEntry) -> str:
    """How to learn how good a version is: on what its run held out, where there is such a run."""
    run = RunDirectory(directory)
    held_out = run.entries_file.is_file() and run.held_out()
    if not held_out:
        return f"node0 eval run {entry.spelled}"
    base = run.settings().get("base_model")
    models = [*([shlex.quote(str(base))] if base else []), entry.spelled]
    return f"node0 measure {' '.join(models)} --run {shlex.quote(str(directory))}"


def promote(name: str, town: Path | None, *, reason: str) -> None:
    """Make a version the candidate of its name."""
    with open_registry(town) as (registry, _):
        entry = registry.move_alias(name, Alias.CANDIDATE, reason=reason)
    console.note(f"{entry.spelled} is the candidate; next: node0 model deploy {entry.name}@candidate")


def prune(town: Path | None, *, role: str | None, keep_last: int, dry_run: bool, as_json: bool) -> None:
    """Remove old versions, or list those that would be."""
    with open_registry(town) as (registry, _):
        entries_of(registry, role)
        work = prunable if dry_run else prune_models
        gone = work(registry, role=role, keep_last=keep_last)
    rows = [_row(entry) for entry in gone]
    if as_json:
        console.emit(rows, as_json=True)
        return
    if rows:
        console.emit(rows, as_json=False, title="would be removed" if dry_run else "removed")
    else:
        console.note("nothing to prune: only archived or flagged versions beyond --keep-last are candidates")


def remove(name: str, town: Path | None, *, reason: str) -> None:
    """Remove one version and its files."""
    with open_registry(town) as (registry, _):
        entry = remove_model(registry, name, reason=reason)
    console.note(f"removed {entry.spelled}; its history stays: node0 model history {entry.name}")


def note(name: str, text: str, town: Path | None) -> None:
    """Write a remark into the history of a version."""
    with open_registry(town) as (registry, _):
        entry = registry.note(name, text)
    console.note(f"noted on {entry.spelled}")


def _row(entry: ModelRegistryEntry) -> dict[str, object]:
    size = sum(file.size for file in entry.artefacts)
    return {
        "NAME": entry.name,
        "VER": entry.version,
        "ROLE": entry.role,
        "STATUS": entry.deployment_status.value,
        "BYTES": size,
    }
