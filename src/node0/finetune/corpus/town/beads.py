# SPDX-License-Identifier: Apache-2.0
"""A town's beads, and what happened to each."""

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

FIELD = re.compile(r"^([a-z][a-z_]*):[ \t]+(\S.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Change:
    """Something that happened to a bead."""

    at: datetime
    kind: str
    "created, status_changed, updated, closed or reopened."

    actor: str
    before: str = ""
    "The status before it, where the event tells."

    assignee_before: str | None = None
    "Who had it before; empty for nobody, None where the event does not tell."

    reason_before: str = ""
    "Of the closing that it takes back."

    status: str = ""
    "The status that it set; empty when it set none."

    assignee: str | None = None
    "Whom it put in charge; empty for nobody, None when it says nothing about that."

    reason: str = ""
    "Of a closing."


@dataclass
class Bead:
    """One bead."""

    id: str
    title: str
    status: str
    type: str
    assignee: str
    created_by: str
    created: datetime | None
    closed: datetime | None
    close_reason: str
    description: str
    database: str
    score: float | None
    "Its own column; bd had one for a while."

    labels: set[str] = field(default_factory=set)
    tracks: set[str] = field(default_factory=set)
    "The beads that a convoy leads."

    replaced: str = ""
    "`a duplicate` or `superseded`, where another bead stands in its place; else empty."

    changes: list[Change] = field(default_factory=list)

    def last_closing(self) -> Change | None:
        """How it was last closed, where its events tell."""
        return next((change for change in reversed(self.changes) if change.kind == "closed"), None)

    def fields(self) -> dict[str, str]:
        """The `key: value` lines of its description, where gt keeps what has no column."""
        return dict(FIELD.findall(self.description))


@dataclass
class Beads:
    """All beads of a town."""

    beads: dict[str, Bead] = field(default_factory=dict)
    labelled: dict[str, bool] = field(default_factory=dict)
    "What `bd audit label` says last about a bead: good or not."

    clock: timedelta = timedelta()
    "What had to be added to the times of events."

    events: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
