# SPDX-License-Identifier: Apache-2.0
"""Register a run directory or a model directory as a version."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from node0.errors import BadCheckpoint, ConfigError
from node0.files import locked, private_directory
from node0.finetune.manifest import Artefact, artefacts_of
from node0.finetune.registry.artefacts import copy_into, scan
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.store import ModelRegistry, Registered
from node0.finetune.run_dir import RunDirectory
from node0.model_files import ADAPTER_CONFIG, ENTRIES, MODEL_CONFIG, pickles
from node0.settings import read_tree

FILES_LOCK = ".files.lock"
"Held below a town's models by whoever adds or deletes a version's files."

CONVENTIONS = "conventions"
"The member of `training_config` that holds what the town's conventions were."

LONGEST_VERSION = 64
DIGEST_LENGTH = 16
"Hex digits of the digest over a model's files that name the directory of its copy."


class Lineage(NamedTuple):
    """What a model directory says about where it comes from."""

    role: str | None
    base_model: str
    base_digest: str
    corpus_hash: str
    entries_sha256: str
    lora_adapters: list[str]
    training_config: dict[str, Any]
    code_version: str
    scrub_version: str


def publish(
    registry: ModelRegistry,
    directory: Path,
    *,
    name: str | None = None,
    role: str | None = None,
    models: Path | None = None,
    conventions: Callable[[str], Mapping[str, str]] | None = None,
) -> Registered:
    """Register the model in `directory` as the next version of `name`; the same files are no new one.

    Args:
        registry: where.
        directory: a run directory, an adapter in PEFT's format, or a Hugging Face model directory.
        name: None takes the role.
        role: None takes the run's.
        models: where to keep a copy, in a directory named by content; None registers the files where
            they are.
        conventions: a role to the fingerprints of what a town asks of it, kept for `node0 staleness`.

    Raises:
        NotFound: no such directory, or it is empty.
        BadCheckpoint: it holds no model, weights as pickle, or a file that the run did not write.
        ConfigError: no role is known, or the copy cannot be written.
    """
    directory = directory.resolve()
    artefacts = scan(directory)
    _refuse_what_is_no_model(directory, artefacts)
    RunDirectory(directory).verify_if_finished()
    lineage = read_lineage(directory, artefacts)
    role = role or lineage.role
    if role is None:
        raise ConfigError(f"{directory} does not say its role; give --role")
    entry = _entry(name or role, role, directory, artefacts, lineage)
    settings = lineage.training_config | ({} if conventions is None else {CONVENTIONS: conventions(role)})
    parent = find_parent(registry, settings)
    entry = entry.model_copy(update={"parent": parent, "training_config": settings})
    if models is None:
        return registry.register_once(entry)
    private_directory(models)
    target = models.resolve() / entry.name / entry.content_digest[:DIGEST_LENGTH]
    # Whoever prunes deletes files that no row names.
    with locked(models / FILES_LOCK):
        copy_into(directory, artefacts, target)
        return registry.register_once(entry.model_copy(update={"artifact_path": str(target)}))


def read_lineage(directory: Path, artefacts: list[Artefact]) -> Lineage:
    """What the files of a run say; what they do not say is empty."""
    run = RunDirectory(directory)
    config, manifest = run.settings(), run.read_manifest()
    adapter = _tree(directory / ADAPTER_CONFIG)
    entries = next((file.sha256 for file in artefacts if file.path == ENTRIES), "")
    base = adapter.get("base_model_name_or_path") or config.get("base_model") or ""
    return Lineage(
        role=config.get("role"),
        base_model=_absolute(str(base)),
        base_digest=str(adapter.get("node0_base_digest") or manifest.get("base_digest") or ""),
        corpus_hash=str(manifest.get("corpus_hash") or ""),
        entries_sha256=entries,
        lora_adapters=["."] if any(file.path == ADAPTER_CONFIG for file in artefacts) else [],
        training_config=config,
        code_version=str(manifest.get("code_version") or ""),
        scrub_version=_scrub_version(run),
    )


def find_parent(registry: ModelRegistry, config: Mapping[str, Any]) -> str:
    """`NAME:VER` of the adapter that a run began from, where that is registered; else nothing.

    A run names a directory: a version's own, or one that holds the same weights.
    """
    start = config.get("init_adapter")
    if not start or not Path(str(start)).is_dir():
        return ""
    directory = Path(str(start)).resolve()
    weights = {(file.path, file.sha256) for file in artefacts_of(directory) if _is_weights(file)}
    for entry in registry.list():
        own = {(file.path, file.sha256) for file in entry.artefacts if _is_weights(file)}
        if Path(entry.artifact_path).resolve() == directory or (own and own == weights):
            return entry.spelled
    return ""


def _is_weights(file: Artefact) -> bool:
    """Whether a file holds tensors."""
    return file.path.endswith(".safetensors")


def _scrub_version(run: RunDirectory) -> str:
    """The rules that the entries went through; `mixed` where it was more than one set of them."""
    found = (
        {str(row.get("scrub_version") or "") for row in run.entries()}
        if run.entries_file.is_file()
        else set()
    )
    return "mixed" if len(found) > 1 else next(iter(found), "")[:LONGEST_VERSION]


def _entry(
    name: str, role: str, directory: Path, artefacts: list[Artefact], lineage: Lineage
) -> ModelRegistryEntry:
    try:
        return ModelRegistryEntry(
            **lineage._asdict() | {"role": role},
            name=name,
            artifact_path=str(directory),
            artefacts=artefacts,
        )
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"cannot register {directory}: {field} {first['input']!r}: {first['msg']}"
        ) from None


def _refuse_what_is_no_model(directory: Path, artefacts: list[Artefact]) -> None:
    names = {file.path for file in artefacts}
    if found := pickles(directory):
        raise BadCheckpoint(f"{directory}/{found[0]} may be a pickle; convert it to safetensors")
    weights = any(name.endswith(".safetensors") for name in names)
    if not weights or not names & {ADAPTER_CONFIG, MODEL_CONFIG}:
        raise BadCheckpoint(
            f"{directory} holds no model: it needs safetensors beside {ADAPTER_CONFIG} or {MODEL_CONFIG}"
        )


def _tree(path: Path) -> dict[str, Any]:
    return read_tree(path) if path.is_file() else {}


def _absolute(base: str) -> str:
    return str(Path(base).resolve()) if base and Path(base).is_dir() else base
