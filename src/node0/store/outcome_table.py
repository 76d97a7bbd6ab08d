# SPDX-License-Identifier: Apache-2.0
"""Queries on how sessions of versions at work ended, as plain rows, inside a transaction."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, and_, delete, insert, select

from node0.store.tables import live_outcomes

Row = Mapping[str, Any]


def put_outcome(connection: Connection, row: Row) -> None:
    """Keep how one session ended; a session has one outcome, the last that was told."""
    keys = ("name", "version", "session_id")
    own = and_(*(live_outcomes.c[key] == row[key] for key in keys))
    connection.execute(delete(live_outcomes).where(own))
    connection.execute(insert(live_outcomes), [dict(row)])


def list_outcomes(connection: Connection, name: str, version: int) -> Sequence[Row]:
    """Those of a version, by time."""
    outcomes = live_outcomes.c
    query = select(live_outcomes).where(outcomes.name == name, outcomes.version == version)
    ordered = query.order_by(outcomes.at, outcomes.session_id)
    return [row._asdict() for row in connection.execute(ordered)]
