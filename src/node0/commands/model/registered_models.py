# SPDX-License-Identifier: Apache-2.0
"""Register models of a town, list and show them, and verify their files."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from node0 import console
from node0.finetune.manifest import problems
from node0.finetune.registry.publish import publish
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town


@contextmanager
def open_registry(root: Path | None, *, create: bool = False) -> Iterator[tuple[ModelRegistry, Town]]:
    """The registry of the town that is meant, and the town."""
    town = Town.locate(root)
    registry = ModelRegistry(town, create=create)
    try:
        yield registry, town
    finally:
        registry.close()


def register(
    directory: Path, town: Path | None, *, name: str | None, role: str | None, in_place: bool, as_json: bool
) -> None:
    """Keep a directory as the next version of a name, and say which that is."""
    with open_registry(town, create=True) as (registry, place):
        models = None if in_place else place.models
        entry, is_new = publish(registry, directory, name=name, role=role, models=models)
    size = sum(file.size for file in entry.artefacts)
    if as_json:
        console.emit([entry.model_dump(mode="json")], as_json=True)
    else:
        files = f"{len(entry.artefacts)} files, {size:,} bytes"
        said = "registered" if is_new else "nothing new, these files are"
        console.note(f"{said} {entry.spelled} for {entry.role}: {files} in {entry.artifact_path}")


def list_models(town: Path | None, *, role: str | None, as_json: bool) -> None:
    """Print every version, or those for one role, newest first."""
    with open_registry(town) as (registry, _):
        entries = registry.list(role)
    if as_json:
        console.emit([entry.model_dump(mode="json") for entry in entries], as_json=True)
    elif entries:
        console.emit([_row(entry) for entry in entries], as_json=False)
    else:
        of_role = f" for {role}" if role else ""
        console.note(f"no model is registered{of_role}; see: node0 model register --help")


def show_model(name: str, town: Path | None, *, as_json: bool) -> None:
    """Print one version: its lineage, evaluation, deployment and files."""
    entry = _entry(name, town)
    if as_json:
        console.emit([entry.model_dump(mode="json")], as_json=True)
        return
    console.emit(list(_fields(entry)), as_json=False, title=entry.spelled)
    console.emit([file.model_dump() for file in entry.artefacts], as_json=False, title="files")


def verify(name: str, town: Path | None, *, as_json: bool) -> int:
    """Compare the files of a version with their recorded digests; 1 when one differs."""
    entry = _entry(name, town)
    found = problems(Path(entry.artifact_path), entry.artefacts)
    if as_json:
        console.emit([{"model": entry.spelled, "problem": line} for line in found], as_json=True)
    for line in () if as_json else found:
        console.note(f"{entry.spelled}: {line}")
    if not found and not as_json:
        console.note(f"{entry.spelled}: {len(entry.artefacts)} files are as registered")
    return console.FAILED if found else 0


def _entry(name: str, town: Path | None) -> ModelRegistryEntry:
    with open_registry(town) as (registry, _):
        return registry.require(name)


def _row(entry: ModelRegistryEntry) -> dict[str, Any]:
    return {
        "NAME": entry.name,
        "ROLE": entry.role,
        "BASE": Path(entry.base_model).name or "-",
        "VER": entry.version,
        "EVAL": "-" if entry.eval_score is None else f"{entry.eval_score:.2f}",
        "STATUS": entry.deployment_status.value,
    }


def _fields(entry: ModelRegistryEntry) -> Iterator[dict[str, Any]]:
    fields = entry.model_dump(mode="json", exclude={"artefacts", "training_config"})
    settings = {f"training_config.{key}": value for key, value in entry.training_config.items()}
    for name, value in (fields | {"content_digest": entry.content_digest} | settings).items():
        yield {"field": name, "value": "-" if value in (None, "", [], {}) else value}
