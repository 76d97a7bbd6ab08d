# SPDX-License-Identifier: Apache-2.0
"""Queries on comparisons of two versions and on what each did, as plain rows, inside a transaction."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, and_, delete, insert, select, update

from node0.store.tables import dpo_preferences, dpo_transcripts

Row = Mapping[str, Any]


def insert_preference(connection: Connection, row: Row) -> None:
    """Add a comparison."""
    connection.execute(insert(dpo_preferences), [dict(row)])


def update_preference(connection: Connection, comparison: str, values: Row) -> None:
    """Change columns of one."""
    connection.execute(update(dpo_preferences).where(dpo_preferences.c.id == comparison).values(dict(values)))


def list_preferences(connection: Connection, *, role: str | None = None) -> Sequence[Row]:
    """All, or those of one role, by time."""
    query = select(dpo_preferences).order_by(dpo_preferences.c.created_at, dpo_preferences.c.id)
    if role is not None:
        query = query.where(dpo_preferences.c.role == role)
    return [row._asdict() for row in connection.execute(query)]


def put_transcript(connection: Connection, row: Row) -> None:
    """Keep what one side did; it takes the place of what was kept before."""
    table = dpo_transcripts.c
    own = and_(table.comparison == row["comparison"], table.side == row["side"])
    connection.execute(delete(dpo_transcripts).where(own))
    connection.execute(insert(dpo_transcripts), [dict(row)])


def find_transcript(connection: Connection, comparison: str, side: str) -> Row | None:
    """What one side did, if that is known."""
    table = dpo_transcripts.c
    query = select(dpo_transcripts).where(table.comparison == comparison, table.side == side)
    row = connection.execute(query).one_or_none()
    return None if row is None else row._asdict()
