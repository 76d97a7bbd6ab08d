# SPDX-License-Identifier: Apache-2.0
"""The state of a collector between runs, `<corpus>/.collector.json`.

Events, because gt rewrites its file and drops old ones at different ages: a session keeps its bead after the
sling has gone. The slings of its bead, because gt deletes wisps. And for each session what its files looked
like. Two collectors may run at once: saving merges. Its strings are scrubbed as those of entries are.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from node0.documents.json_document import object_of
from node0.files import locked, private_directory, write_atomically
from node0.finetune.corpus.collect.known_slings import Row, rows_of, with_known
from node0.finetune.corpus.lone_surrogates import without_lone_surrogates
from node0.finetune.corpus.town.bead_outcomes import Outcomes
from node0.finetune.corpus.town.events import Event, event_of
from node0.finetune.corpus.town.sessions import Session
from node0.finetune.corpus.transcript.recording import State

logger = logging.getLogger(__name__)

VERSION = 2
REMEMBERED = frozenset(
    {"session_start", "sling", "hook", "unhook", "done", "handoff", "session_death", "escalation_sent"}
)
KEPT = ("session_id", "role", "topic", "bead", "target", "agent", "status")
"Keys of payloads that say who worked on what and how it ended."


class CollectorState:
    """What was seen: events of the town, and sessions by their files.

    Args:
        path: The file.
        scrub: Takes secrets out of a string that is going to be written.
    """

    def __init__(self, path: Path, scrub: Callable[[str], str]) -> None:
        self._path = path
        self._scrub = cache(scrub)
        self._events: dict[str, Event] = {}
        self._sessions: dict[str, dict[str, Any]] = {}
        self._slings: dict[str, Row] = {}
        self._read()

    def events(self, fresh: Iterable[Event]) -> list[Event]:
        """Those of now and those remembered, each once, in order of time."""
        for event in fresh:
            if event.type in REMEMBERED:
                self._events.setdefault(self._line(event), event)
        return sorted(self._events.values(), key=lambda event: event.at)

    def beads(self, outcomes: Outcomes | None) -> Outcomes | None:
        """What beads tell today and told before; None where they never told anything."""
        return with_known(outcomes, self._slings.values())

    def keep_beads(self, outcomes: Outcomes, beads: Collection[str | None]) -> None:
        """Note how the slings of these beads ended."""
        for row in rows_of(outcomes, beads, self._scrub):
            self._slings[_key(row)] = row

    def seen(self, session: Session, mark: str) -> bool:
        """Whether exactly this was collected already."""
        return bool(self._sessions.get(self._scrub(session.session_id), {}).get("mark") == mark)

    def shrank(self, session: Session, size: int) -> bool:
        """Whether its files held more when they were last collected."""
        return bool(self._sessions.get(self._scrub(session.session_id), {}).get("bytes", 0) > size)

    def entries(self, session: Session) -> dict[str, int]:
        """Its entries as they were stored: bytes of the file of each, by id."""
        return dict(self._sessions.get(self._scrub(session.session_id), {}).get("entries", {}))

    def remember(
        self, session: Session, mark: str, size: int, entries: Mapping[str, int] = MappingProxyType({})
    ) -> None:
        """Note a session, its `entries`, and `fingerprint` and size of its files before they were read."""
        noted = {"mark": mark, "bytes": size, "entries": dict(sorted(entries.items()))}
        self._sessions[self._scrub(session.session_id)] = noted

    def save(self) -> None:
        """Write the memory, whole or not at all, with what others have saved since it was read."""
        private_directory(self._path.parent)
        with locked(self._path.with_suffix(".lock")):
            self._read()
            lines = [json.loads(line) for line in sorted(self._events)]
            content = {
                "version": VERSION,
                "sessions": dict(sorted(self._sessions.items())),
                "events": lines,
                "slings": [row for _, row in sorted(self._slings.items())],
            }
            write_atomically(self._path, json.dumps(content, ensure_ascii=False) + "\n")

    def _read(self) -> None:
        """Add what the file holds; what is known here already counts more."""
        if not self._path.is_file():
            return
        try:
            content = without_lone_surrogates(object_of(self._path.read_bytes()))
            if content["version"] != VERSION:
                return
            noted = {name: one for name, value in content["sessions"].items() if (one := _noted(value))}
            known = [event for value in content["events"] if (event := event_of(value))]
            self._slings = {**{_key(row): row for row in content.get("slings", ())}, **self._slings}
        except (ValueError, KeyError, TypeError, AttributeError):
            logger.warning("%s cannot be read: every session is collected again", self._path)
            return
        self._sessions = {**noted, **self._sessions}
        self._events = {**{self._line(event): event for event in known}, **self._events}

    def _line(self, event: Event) -> str:
        payload = {key: self._written(event.payload[key]) for key in KEPT if key in event.payload}
        value = {"ts": event.at.isoformat(), "type": event.type, "actor": self._scrub(event.actor)}
        return json.dumps({**value, "payload": payload}, ensure_ascii=False, default=str)

    def _written(self, value: Any) -> Any:
        return self._scrub(value) if isinstance(value, str) else value


def _key(row: Row) -> str:
    return f"{row['bead']}\n{row['start']}\n{row['worker']}"


def _noted(value: Any) -> dict[str, Any] | None:
    """What was noted of a session; None where that is something else."""
    match value:
        case {"mark": str(), "bytes": int(), "entries": dict(entries)} if all(
            isinstance(size, int) for size in entries.values()
        ):
            return dict(value)
    return None


def fingerprint(session: Session, states: Sequence[State], version: str) -> str:
    """Changes when a recording did, a window or an outcome changed, or the scrub rules did."""
    marks = [mark for state in states for mark in state.marks]
    return hashlib.sha256(repr((session, marks, version)).encode()).hexdigest()
