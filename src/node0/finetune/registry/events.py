# SPDX-License-Identifier: Apache-2.0
"""What happened to a version: who did what to it, when and why. Rows are added and never change."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, func, insert, select

from node0.store.tables import model_events
from node0.store.transactions import actor

LONGEST_REASON = 1024


class ModelEvent(BaseModel):
    """One row of a model's history."""

    model_config = ConfigDict(frozen=True)

    number: int
    at: str
    "ISO 8601, UTC."

    actor: str
    name: str
    version: int
    event: str
    "registered, evaluated, status, alias, note, deployed, rolled back, exported, removed."

    reason: str
    detail: dict[str, Any]


def append_event(
    connection: Connection,
    name: str,
    version: int,
    event: str,
    *,
    reason: str = "",
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Add a row, inside the caller's transaction."""
    last = connection.scalar(select(func.max(model_events.c.number))) or 0
    row = {
        "number": last + 1,
        "at": now(),
        "actor": actor(),
        "name": name,
        "version": version,
        "event": event,
        "reason": short(reason),
        "detail": dict(detail or {}),
    }
    connection.execute(insert(model_events), [row])


def events_of(connection: Connection, name: str, version: int | None = None) -> Sequence[ModelEvent]:
    """The history of a model, or of one version of it, oldest first."""
    query = select(model_events).where(model_events.c.name == name).order_by(model_events.c.number)
    if version is not None:
        query = query.where(model_events.c.version == version)
    return [ModelEvent(**row) for row in connection.execute(query).mappings()]


def short(reason: str) -> str:
    """A reason in one line that its column holds."""
    return " ".join(reason.split())[:LONGEST_REASON]


def now() -> str:
    """The time, ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
