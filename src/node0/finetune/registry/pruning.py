# SPDX-License-Identifier: Apache-2.0
"""Remove versions that nothing needs any more, with their files."""

import shutil
from collections.abc import Collection, Sequence
from pathlib import Path

from node0.errors import ConfigError, IllegalTransition
from node0.files import locked
from node0.finetune.registry import aliases, versions
from node0.finetune.registry.deployment_log import stacked
from node0.finetune.registry.model_events import append_event
from node0.finetune.registry.publish import FILES_LOCK
from node0.finetune.registry.schema import ModelRegistryEntry, agent_name
from node0.finetune.registry.states import DeploymentStatus
from node0.finetune.registry.store import ModelRegistry
from node0.store.transactions import Transaction

CANDIDATES = (DeploymentStatus.ARCHIVED, DeploymentStatus.FLAGGED)


def prunable(registry: ModelRegistry, *, role: str | None, keep_last: int) -> Sequence[ModelRegistryEntry]:
    """What `prune` would remove: archived and flagged versions, older than the newest ones of their name.

    Never one that an alias names, that is deployed or comes back by a rollback, or that another came from.
    """
    with registry.store.read() as transaction:
        return _prunable(transaction, role, keep_last)


def prune(registry: ModelRegistry, *, role: str | None, keep_last: int) -> Sequence[ModelRegistryEntry]:
    """Remove what `prunable` lists, rows first, then files that no other version has; what was removed.

    Raises:
        ConfigError: files cannot be deleted; the rows are gone, and the next prune deletes the files.
    """
    with registry.store.write("Prune models") as transaction:
        gone = _prunable(transaction, role, keep_last)
        for entry in gone:
            _remove(transaction, entry, reason=f"pruned, the newest {keep_last} stay")
        rest = versions.every(transaction)
    _delete_files(registry, gone, rest)
    return gone


def remove(registry: ModelRegistry, name: str, *, reason: str) -> ModelRegistryEntry:
    """Remove one version of any state; the entry.

    Raises:
        NotFound: there is no such version.
        IllegalTransition: it is needed; the message says by what.
        ConfigError: files cannot be deleted.
    """
    entry = registry.require(name)
    with registry.store.write(f"Remove {entry.spelled}") as transaction:
        if (entry.name, entry.version) in (needed := _needed(transaction)):
            raise IllegalTransition(f"{entry.spelled} cannot be removed: {needed[entry.name, entry.version]}")
        _remove(transaction, entry, reason=reason)
        rest = versions.every(transaction)
    _delete_files(registry, [entry], rest)
    return entry


def _prunable(transaction: Transaction, role: str | None, keep_last: int) -> list[ModelRegistryEntry]:
    needed, kept = _needed(transaction), dict[str, int]()
    found = []
    for entry in versions.every(transaction):  # newest first
        kept[entry.name] = kept.get(entry.name, 0) + 1
        is_old = kept[entry.name] > keep_last and entry.deployment_status in CANDIDATES
        if is_old and (entry.name, entry.version) not in needed and role in (None, entry.role):
            found.append(entry)
    return found


def _needed(transaction: Transaction) -> dict[tuple[str, int], str]:
    """Why a version must stay, for those that must."""
    found: dict[tuple[str, int], str] = {}
    for entry in versions.every(transaction):
        name, _, version = entry.parent.rpartition(":")
        if version.isdecimal():
            found[name, int(version)] = f"{entry.spelled} was trained from it"
    for row in stacked(transaction):
        found[row.name, row.version] = f"it is deployed for {row.role}, or comes back by a rollback"
    for version_key, names in aliases.aliases_of(transaction).items():
        found[version_key] = f"it is @{names[0]}"
    return found


def _remove(transaction: Transaction, entry: ModelRegistryEntry, *, reason: str) -> None:
    detail = {"content_digest": entry.content_digest, "artifact_path": entry.artifact_path}
    versions.remove(transaction, entry)
    append_event(transaction, entry.name, entry.version, "removed", reason=reason, detail=detail)


def _delete_files(
    registry: ModelRegistry, gone: Sequence[ModelRegistryEntry], rest: Collection[ModelRegistryEntry]
) -> None:
    """Delete copies below the town's models; files that were registered in place are their owner's."""
    if registry.town is None:
        return
    models = registry.town.models.resolve()
    used = {Path(entry.artifact_path).resolve() for entry in rest}
    with locked(models / FILES_LOCK):
        for entry in gone:
            # What a crash left beside the version goes with it.
            copies = [found for found in (models / entry.name).glob("*") if found not in used]
            for place in sorted([*copies, models / "agents" / agent_name(entry)]):
                if place.is_dir():
                    _delete(place)


def _delete(place: Path) -> None:
    try:
        shutil.rmtree(place)
    except OSError as error:
        raise ConfigError(f"cannot delete {place}: {error.strerror}; delete it, or prune again") from None
