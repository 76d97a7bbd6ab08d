# SPDX-License-Identifier: Apache-2.0
"""Versions of a model as rows: found by name, added under the next number, removed whole."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, func, insert, select, update

from node0.finetune.manifest import Artefact
from node0.finetune.registry.aliases import version_of
from node0.finetune.registry.schema import ModelName, ModelRegistryEntry
from node0.store.tables import model_aliases, model_artefacts, model_evals, model_registry

ROW_FIELDS = [column.name for column in model_registry.columns if column.name != "content_digest"]


def newest(connection: Connection, name: str) -> int:
    """The highest version of a name, or 0."""
    query = select(func.max(model_registry.c.version)).where(model_registry.c.name == name)
    return connection.scalar(query) or 0


def find(connection: Connection, wanted: ModelName) -> ModelRegistryEntry | None:
    """The version that a name means: the newest one, a number, or an alias."""
    version = wanted.version
    if wanted.alias is not None:
        version = version_of(connection, wanted.name, wanted.alias)
    elif version is None:
        version = newest(connection, wanted.name)
    found = _entries(connection, select(model_registry).where(is_version(wanted.name, version or 0)))
    return found[0] if found else None


def find_same(connection: Connection, entry: ModelRegistryEntry) -> ModelRegistryEntry | None:
    """The version of this name that has the same files and role, if there is one."""
    if not entry.artefacts:
        return None
    table = model_registry.c
    same = and_(
        table.name == entry.name, table.role == entry.role, table.content_digest == entry.content_digest
    )
    found = _entries(connection, select(model_registry).where(same).order_by(table.version.desc()))
    return found[0] if found else None


def every(connection: Connection, role: str | None = None) -> list[ModelRegistryEntry]:
    """All versions, of one role or of all, by name and then newest first."""
    query = select(model_registry).order_by(model_registry.c.name, model_registry.c.version.desc())
    if role is not None:
        query = query.where(model_registry.c.role == role)
    return _entries(connection, query)


def stored_digest(connection: Connection, entry: ModelRegistryEntry) -> str:
    """The digest over the files that was written when the version was registered."""
    query = select(model_registry.c.content_digest).where(is_version(entry.name, entry.version))
    return str(connection.scalar(query) or "")


def add(connection: Connection, entry: ModelRegistryEntry) -> None:
    """Keep a version and the list of its files."""
    values = entry.model_dump(mode="json", include=set(ROW_FIELDS))
    connection.execute(insert(model_registry), [values | {"content_digest": entry.content_digest}])
    if entry.artefacts:
        key = {"name": entry.name, "version": entry.version}
        rows = [key | artefact.model_dump() for artefact in entry.artefacts]
        connection.execute(insert(model_artefacts), rows)


def change(connection: Connection, entry: ModelRegistryEntry, values: Mapping[str, Any]) -> None:
    """Change what may change of a version."""
    row = is_version(entry.name, entry.version)
    connection.execute(update(model_registry).where(row).values(dict(values)))


def remove(connection: Connection, entry: ModelRegistryEntry) -> None:
    """Remove a version with its files' list, measurements and aliases; its history stays."""
    for table in (model_aliases, model_evals, model_artefacts, model_registry):
        own = and_(table.c.name == entry.name, table.c.version == entry.version)
        connection.execute(delete(table).where(own))


def is_version(name: str, version: int) -> ColumnElement[bool]:
    """The condition for one row."""
    return and_(model_registry.c.name == name, model_registry.c.version == version)


def _entries(connection: Connection, query: Select[Any]) -> list[ModelRegistryEntry]:
    rows = connection.execute(query).mappings().all()
    files = _artefacts(connection, sorted({str(row["name"]) for row in rows}))
    return [
        ModelRegistryEntry(
            **{field: row[field] for field in ROW_FIELDS},
            artefacts=files.get((row["name"], row["version"]), []),
        )
        for row in rows
    ]


def _artefacts(connection: Connection, names: Sequence[str]) -> dict[tuple[str, int], list[Artefact]]:
    """The files of every version of these names, in one query."""
    table = model_artefacts.c
    query = select(model_artefacts).where(table.name.in_(names)).order_by(table.path)
    found: dict[tuple[str, int], list[Artefact]] = {}
    for row in connection.execute(query).mappings():
        artefact = Artefact(path=row["path"], sha256=row["sha256"], size=row["size"])
        found.setdefault((row["name"], row["version"]), []).append(artefact)
    return found
