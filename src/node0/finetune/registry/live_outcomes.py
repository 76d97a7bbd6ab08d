# SPDX-License-Identifier: Apache-2.0
"""Live outcomes: how the sessions of a version at work ended, and the stops and resets that follow."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field

from node0.finetune.registry import versions
from node0.finetune.registry.model_events import append_event, events_of
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.states import DeploymentStatus, check_move
from node0.store.outcome_table import list_outcomes, put_outcome
from node0.store.transactions import Store, Transaction

TRIPPED, RESET = "breaker tripped", "breaker reset"


class LiveOutcome(BaseModel):
    """One session."""

    model_config = ConfigDict(frozen=True)

    session_id: str = Field(min_length=1, max_length=128)
    at: str
    "When it began: ISO 8601, UTC, to the second."

    succeeded: bool


def utc_seconds(moment: str) -> str:
    """An ISO 8601 moment as the store writes it, so that times compare as texts; naive ones are UTC.

    Raises:
        ValueError: it is none, or UTC has no such year.
    """
    at = datetime.fromisoformat(moment)
    try:
        aware = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{moment!r} lies outside of the years 1 to 9999 in UTC") from None
    return aware.isoformat(timespec="seconds")


class LiveOutcomes:
    """Reads and writes outcomes; every change is one transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, entry: ModelRegistryEntry, outcomes: Iterable[LiveOutcome]) -> int:
        """Keep outcomes of a version; how many of them were new or had changed."""
        given = {one.session_id: one for one in outcomes}
        known = {one.session_id: one for one in self.list(entry)}
        changed = [one for name, one in given.items() if known.get(name) != one]
        if not changed:
            return 0
        with self._store.write(f"{len(changed)} outcomes of {entry.spelled}") as transaction:
            for one in changed:
                row = one.model_dump() | {"succeeded": int(one.succeeded)}
                put_outcome(transaction, row | {"name": entry.name, "version": entry.version})
        return len(changed)

    def list(self, entry: ModelRegistryEntry) -> Sequence[LiveOutcome]:
        """All that is kept of a version, by time."""
        with self._store.read() as transaction:
            rows = list_outcomes(transaction, entry.name, entry.version)
        return [
            LiveOutcome(session_id=row["session_id"], at=row["at"], succeeded=bool(row["succeeded"]))
            for row in rows
        ]

    def last_reset(self, entry: ModelRegistryEntry) -> str:
        """When somebody let the version begin anew; earlier than anything where nobody did."""
        return self._last(entry, RESET)

    def last_stop(self, entries: Iterable[ModelRegistryEntry]) -> str:
        """When the last of these versions was stopped; earlier than anything where none was."""
        return max((self._last(entry, TRIPPED) for entry in entries), default="")

    def trip(self, entry: ModelRegistryEntry, *, reason: str) -> None:
        """Write down that a version is degraded, before it leaves.

        Raises:
            IllegalTransition: it is not at work, or not any more.
            NotFound: it was removed.
        """
        self._become(entry, DeploymentStatus.DEGRADED, TRIPPED, reason)

    def reset(self, entry: ModelRegistryEntry, *, reason: str) -> None:
        """Let a stopped version be deployed again; what it did before does not count any more.

        Raises:
            IllegalTransition: it cannot become `archived`.
        """
        self._become(entry, DeploymentStatus.ARCHIVED, RESET, reason)

    def _become(self, entry: ModelRegistryEntry, status: DeploymentStatus, event: str, reason: str) -> None:
        with self._store.write(f"{entry.spelled}: {event}") as transaction:
            entry = versions.refreshed(transaction, entry)
            check_move(entry.spelled, entry.deployment_status, status)
            versions.change(transaction, entry, {"deployment_status": status.value})
            detail = {"from": entry.deployment_status.value, "to": status.value}
            append_event(transaction, entry.name, entry.version, event, reason=reason, detail=detail)

    def _last(self, entry: ModelRegistryEntry, event: str) -> str:
        with self._store.read() as transaction:
            return _last_event(transaction, entry, event)


def _last_event(transaction: Transaction, entry: ModelRegistryEntry, event: str) -> str:
    found = [one.at for one in events_of(transaction, entry.name, entry.version) if one.event == event]
    return found[-1] if found else ""
