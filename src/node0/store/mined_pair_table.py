# SPDX-License-Identifier: Apache-2.0
"""Queries on pairs of answers that a corpus gave, as plain rows, inside a transaction."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from node0.store.tables import dpo_mined_pairs

Row = Mapping[str, Any]
CHUNK = 200
"Ids named in one statement: SQLite takes a bounded number of values."


def insert_mined_pairs(connection: Connection, rows: Sequence[Row]) -> None:
    """Add pairs."""
    if rows:
        connection.execute(insert(dpo_mined_pairs), [dict(row) for row in rows])


def update_mined_pair(connection: Connection, pair: str, values: Row) -> None:
    """Change columns of one."""
    connection.execute(update(dpo_mined_pairs).where(dpo_mined_pairs.c.id == pair).values(dict(values)))


def delete_mined_pairs(connection: Connection, ids: Collection[str]) -> None:
    """Forget these."""
    names = sorted(ids)
    for start in range(0, len(names), CHUNK):
        chunk = names[start : start + CHUNK]
        connection.execute(delete(dpo_mined_pairs).where(dpo_mined_pairs.c.id.in_(chunk)))


def list_mined_pairs(connection: Connection, *, role: str | None = None) -> Sequence[Row]:
    """All, or those of one role, by the time that they were found."""
    query = select(dpo_mined_pairs).order_by(dpo_mined_pairs.c.found_at, dpo_mined_pairs.c.id)
    if role is not None:
        query = query.where(dpo_mined_pairs.c.role == role)
    return [row._asdict() for row in connection.execute(query)]
