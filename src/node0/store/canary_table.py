# SPDX-License-Identifier: Apache-2.0
"""Queries on canaries, as plain rows, inside a transaction."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from node0.store.tables import canaries

Row = Mapping[str, Any]


def next_canary(connection: Connection) -> int:
    """The number of the next one."""
    return (connection.scalar(select(func.max(canaries.c.number))) or 0) + 1


def insert_canary(connection: Connection, row: Row) -> None:
    """Add one."""
    connection.execute(insert(canaries), [dict(row)])


def update_canary(connection: Connection, number: int, values: Row) -> None:
    """Change columns of one."""
    connection.execute(update(canaries).where(canaries.c.number == number).values(dict(values)))


def list_canaries(connection: Connection) -> Sequence[Row]:
    """All, oldest first."""
    return [row._asdict() for row in connection.execute(select(canaries).order_by(canaries.c.number))]


def find_canary(connection: Connection, number: int) -> Row | None:
    """One of them."""
    row = connection.execute(select(canaries).where(canaries.c.number == number)).first()
    return None if row is None else row._asdict()
