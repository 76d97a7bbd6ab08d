# SPDX-License-Identifier: Apache-2.0
"""Versions of a model from rows of the store: found by name, added under the next number, removed whole."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from node0.errors import ConfigError, NotFound
from node0.finetune.manifest import Artefact
from node0.finetune.registry.aliases import version_of
from node0.finetune.registry.schema import ModelName, ModelRegistryEntry
from node0.store import model_table
from node0.store.model_table import Row
from node0.store.transactions import Transaction

logger = logging.getLogger(__name__)


def newest(transaction: Transaction, name: str) -> int:
    """The highest version of a name, or 0."""
    return model_table.newest_version(transaction, name)


def find(transaction: Transaction, wanted: ModelName) -> ModelRegistryEntry | None:
    """The version that a name means: the newest one, a number, or an alias."""
    version = wanted.version
    if wanted.alias is not None:
        version = version_of(transaction, wanted.name, wanted.alias)
    elif version is None:
        version = newest(transaction, wanted.name)
    row = model_table.find_model(transaction, wanted.name, version or 0)
    return None if row is None else _with_files(transaction, row)


def refreshed(transaction: Transaction, entry: ModelRegistryEntry) -> ModelRegistryEntry:
    """A version as it is now, for whoever found it before this transaction.

    Raises:
        NotFound: another process has removed it.
    """
    if (found := find(transaction, ModelName(entry.name, entry.version))) is None:
        raise NotFound(f"{entry.spelled} was removed meanwhile; see: node0 model history {entry.name}")
    return found


def find_same(transaction: Transaction, entry: ModelRegistryEntry) -> ModelRegistryEntry | None:
    """The version of this name that has the same files and role, if there is one."""
    if not entry.artefacts:
        return None
    digest = entry.content_digest
    row = model_table.find_same_model(transaction, entry.name, role=entry.role, content_digest=digest)
    return None if row is None else _with_files(transaction, row)


def every(transaction: Transaction, role: str | None = None) -> list[ModelRegistryEntry]:
    """All versions, of one role or of all, by name and then newest first.

    Raises:
        ConfigError: a row is none; what deletes or refuses must not overlook it.
    """
    return [_entry(row, files) for row, files in _rows_with_files(transaction, role)]


def readable(transaction: Transaction, role: str | None = None) -> list[ModelRegistryEntry]:
    """As `every`, for whoever looks: a row that is none is left out, and told."""
    found = []
    for row, files in _rows_with_files(transaction, role):
        try:
            found.append(_entry(row, files))
        except ConfigError as error:
            logger.warning("%s", error)
    return found


def stored_digest(transaction: Transaction, entry: ModelRegistryEntry) -> str:
    """The digest over the files that was written when the version was registered."""
    row = model_table.find_model(transaction, entry.name, entry.version)
    return "" if row is None else str(row["content_digest"])


def add(transaction: Transaction, entry: ModelRegistryEntry) -> None:
    """Keep a version and the list of its files."""
    row = entry.model_dump(mode="json", exclude={"artefacts"}) | {"content_digest": entry.content_digest}
    model_table.insert_model(transaction, row, [artefact.model_dump() for artefact in entry.artefacts])


def change(transaction: Transaction, entry: ModelRegistryEntry, values: Mapping[str, Any]) -> None:
    """Change what may change of a version."""
    model_table.update_model(transaction, entry.name, entry.version, values)


def remove(transaction: Transaction, entry: ModelRegistryEntry) -> None:
    """Remove a version with its files' list, measurements and aliases; its history stays."""
    model_table.delete_model(transaction, entry.name, entry.version)


def _with_files(transaction: Transaction, row: Row) -> ModelRegistryEntry:
    return _entry(row, model_table.list_artefacts(transaction, row["name"], row["version"]))


def _rows_with_files(transaction: Transaction, role: str | None) -> Iterator[tuple[Row, Sequence[Row]]]:
    rows = model_table.list_models(transaction, role)
    files = model_table.list_artefacts_of(
        transaction, sorted({row["name"] for row in rows if isinstance(row["name"], str)})
    )
    for row in rows:
        yield row, files.get((row["name"], row["version"]), [])


def _entry(row: Row, files: Sequence[Row]) -> ModelRegistryEntry:
    fields = {name: value for name, value in row.items() if name != "content_digest"}
    try:
        return ModelRegistryEntry(**fields, artefacts=[Artefact(**file) for file in files])
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigError(
            f"the registry's row of {row['name']}:{row['version']} cannot be read ({where}: {first['msg']}); "
            "restore the store, or register the version again"
        ) from None
