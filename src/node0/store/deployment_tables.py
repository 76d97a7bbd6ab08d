# SPDX-License-Identifier: Apache-2.0
"""Queries on deployments and on the aliases that follow them, as plain rows, inside a transaction."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from node0.store.tables import deployments, model_aliases

Row = Mapping[str, Any]


def next_deployment(connection: Connection) -> int:
    """The number of the next one."""
    return (connection.scalar(select(func.max(deployments.c.number))) or 0) + 1


def insert_deployment(connection: Connection, row: Row) -> None:
    """Add one."""
    connection.execute(insert(deployments), [dict(row)])


def update_deployment(connection: Connection, number: int, values: Row) -> None:
    """Change columns of one."""
    connection.execute(update(deployments).where(deployments.c.number == number).values(dict(values)))


def list_deployments(connection: Connection, states: Sequence[str] = ()) -> Sequence[Row]:
    """Those in these states, or all, oldest first."""
    query = select(deployments).order_by(deployments.c.number)
    if states:
        query = query.where(deployments.c.state.in_(states))
    return [row._asdict() for row in connection.execute(query)]


def find_alias(connection: Connection, name: str, alias: str) -> int | None:
    """The version that an alias of a model stands for."""
    aliases = model_aliases.c
    return connection.scalar(select(aliases.version).where(aliases.name == name, aliases.alias == alias))


def list_aliases(connection: Connection) -> Sequence[Row]:
    """Every alias, by name."""
    return [
        row._asdict() for row in connection.execute(select(model_aliases).order_by(model_aliases.c.alias))
    ]


def put_alias(connection: Connection, row: Row) -> None:
    """Let an alias stand for a version."""
    drop_alias(connection, row["name"], row["alias"])
    connection.execute(insert(model_aliases), [dict(row)])


def drop_alias(connection: Connection, name: str, alias: str) -> None:
    """Let it stand for none."""
    own = (model_aliases.c.name == name) & (model_aliases.c.alias == alias)
    connection.execute(delete(model_aliases).where(own))
