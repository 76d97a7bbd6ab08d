# SPDX-License-Identifier: Apache-2.0
"""What happened to a version: who did what to it, when and why. Rows are added and never change."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from node0.store.history_tables import append_event_row, list_events
from node0.store.transactions import Transaction, actor

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
    "registered, evaluated, status, alias, note, refused, deployed, rolled back, exported, removed."

    reason: str
    detail: dict[str, Any]


def append_event(
    transaction: Transaction,
    name: str,
    version: int,
    event: str,
    *,
    reason: str = "",
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Add a row, inside the caller's transaction."""
    row = {
        "at": now(),
        "actor": actor(),
        "name": name,
        "version": version,
        "event": event,
        "reason": short(reason),
        "detail": dict(detail or {}),
    }
    append_event_row(transaction, row)


def events_of(transaction: Transaction, name: str, version: int | None = None) -> Sequence[ModelEvent]:
    """The history of a model, or of one version of it, oldest first."""
    return [ModelEvent(**row) for row in list_events(transaction, name, version)]


def short(reason: str) -> str:
    """A reason in one line that its column holds."""
    return " ".join(reason.split())[:LONGEST_REASON]


def now(timespec: str = "seconds") -> str:
    """The time, ISO 8601, UTC, to the second unless said otherwise."""
    return datetime.now(UTC).isoformat(timespec=timespec)
