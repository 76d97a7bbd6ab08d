# SPDX-License-Identifier: Apache-2.0
"""Queries on registered models, as plain rows, inside a transaction of the store."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, insert, select, update

from node0.store.tables import model_artefacts, model_registry

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


def update_model(connection: Connection, name: str, version: int, values: Row) -> None:
    """Change columns of a version."""
    connection.execute(update(model_registry).where(_is(name, version)).values(dict(values)))


def _is(name: str, version: int) -> ColumnElement[bool]:
    return and_(model_registry.c.name == name, model_registry.c.version == version)
