# SPDX-License-Identifier: Apache-2.0
"""Queries on registered models and their files, as plain rows, inside a transaction of the store."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, select, update

from node0.store.tables import live_outcomes, model_aliases, model_artefacts, model_evals, model_registry

Row = Mapping[str, Any]


def newest_version(connection: Connection, name: str) -> int:
    """The highest version of a model, 0 without any."""
    versions = model_registry.c
    return connection.scalar(select(func.max(versions.version)).where(versions.name == name)) or 0


def insert_model(connection: Connection, row: Row, artefacts: Sequence[Row]) -> None:
    """Add a version and its files."""
    connection.execute(insert(model_registry), [dict(row)])
    key = {"name": row["name"], "version": row["version"]}
    if artefacts:
        connection.execute(insert(model_artefacts), [key | dict(artefact) for artefact in artefacts])


def find_model(connection: Connection, name: str, version: int) -> Row | None:
    """One version."""
    row = connection.execute(select(model_registry).where(_is(name, version))).first()
    return None if row is None else row._asdict()


def find_same_model(connection: Connection, name: str, *, role: str, content_digest: str) -> Row | None:
    """The newest version of a name that has these files and this role."""
    models = model_registry.c
    same = and_(models.name == name, models.role == role, models.content_digest == content_digest)
    query = select(model_registry).where(same).order_by(models.version.desc())
    row = connection.execute(query).first()
    return None if row is None else row._asdict()


def list_models(connection: Connection, role: str | None = None) -> Sequence[Row]:
    """Every version, of one role or of all, by name and then newest first."""
    models = model_registry.c
    query = select(model_registry).order_by(models.name, models.version.desc())
    if role is not None:
        query = query.where(models.role == role)
    return [row._asdict() for row in connection.execute(query)]


def list_artefacts(connection: Connection, name: str, version: int) -> Sequence[Row]:
    """Path, sha256 and size of each file of a version, by path."""
    files = model_artefacts.c
    query = (
        select(files.path, files.sha256, files.size)
        .where(files.name == name, files.version == version)
        .order_by(files.path)
    )
    return [row._asdict() for row in connection.execute(query)]


def list_artefacts_of(
    connection: Connection, names: Sequence[str]
) -> Mapping[tuple[str, int], Sequence[Row]]:
    """The same for every version of these names, in one query."""
    files = model_artefacts.c
    query = select(model_artefacts).where(files.name.in_(names)).order_by(files.path)
    found: dict[tuple[str, int], list[Row]] = {}
    for row in connection.execute(query):
        file = {"path": row.path, "sha256": row.sha256, "size": row.size}
        found.setdefault((row.name, row.version), []).append(file)
    return found


def update_model(connection: Connection, name: str, version: int, values: Row) -> None:
    """Change columns of a version."""
    connection.execute(update(model_registry).where(_is(name, version)).values(dict(values)))


def delete_model(connection: Connection, name: str, version: int) -> None:
    """Remove a version with the list of its files, its measurements, outcomes and aliases; events stay."""
    for table in (live_outcomes, model_aliases, model_evals, model_artefacts, model_registry):
        connection.execute(delete(table).where(and_(table.c.name == name, table.c.version == version)))


def _is(name: str, version: int) -> ColumnElement[bool]:
    return and_(model_registry.c.name == name, model_registry.c.version == version)
