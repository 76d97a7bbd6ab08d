# SPDX-License-Identifier: Apache-2.0
"""A town's events: lines of `.events.jsonl`, {"ts", "type", "actor", "payload"}."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from node0.documents.json_lines import read_json_lines
from node0.finetune.corpus.lone_surrogates import replace_lone_surrogates
from node0.finetune.corpus.town.timestamps import timestamp_of

TOWN, BEADS = "town", "beads"
"Where an event comes from."


@dataclass(frozen=True)
class Event:
    """Something that an actor did."""

    at: datetime
    type: str
    actor: str
    payload: Mapping[str, Any]
    "Its words; other values are left out."

    source: str = TOWN
    "The events file, or the town's beads."

    @property
    def bead(self) -> str:
        """The bead that it names, or an empty string."""
        return str(self.payload.get("bead") or "")

    def lasts(self, moment: datetime) -> bool:
        """Whether what it began goes on at a moment; only beads tell when a sling ended."""
        until = self.payload.get("until")
        return until is None or until > moment


def read_events(path: Path, skipped: Counter[str]) -> list[Event]:
    """The events of a town in order of time; lines that cannot be read are counted."""
    unread = Counter[str]()
    found = [event_of(value) for value in read_json_lines(path, unread)]
    if lost := unread.total() + found.count(None):
        skipped["event that cannot be read"] += lost
    return sorted((event for event in found if event is not None), key=lambda event: event.at)


def event_of(value: Any) -> Event | None:
    """The event that a JSON value of the town's file tells; None for anything else."""
    if not isinstance(value, dict):
        return None
    at, payload = timestamp_of(str(value.get("ts"))), value.get("payload") or {}
    if at is None or "type" not in value or not isinstance(payload, dict):
        return None
    words = {
        str(key): replace_lone_surrogates(item) for key, item in payload.items() if isinstance(item, str)
    }
    return Event(at, str(value["type"]), replace_lone_surrogates(str(value.get("actor", ""))), words)
