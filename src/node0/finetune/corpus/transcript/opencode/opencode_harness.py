# SPDX-License-Identifier: Apache-2.0
"""Sessions of opencode, with those of the subagents that they began."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from node0.finetune.corpus.schema import Source
from node0.finetune.corpus.transcript.opencode.message_parts import iso_time, steps_of, until_reverted
from node0.finetune.corpus.transcript.opencode.stored_sessions import (
    DatabaseSessions,
    ExportedSession,
    FileSessions,
    Sessions,
    StoredSession,
)
from node0.finetune.corpus.transcript.recording import Beginning, Recording, State
from node0.finetune.corpus.transcript.trajectory import Trajectory
from node0.finetune.corpus.transcript.turns import trajectories_of

logger = logging.getLogger(__name__)

DATABASE, STORAGE = "opencode.db", "storage"


class OpencodeReader:
    """Reads one session; a `TranscriptReader`."""

    def __init__(self, place: Sessions, session: StoredSession, *, agent: str = "") -> None:
        self.session_id = session.id
        self.skipped = Counter[str]()
        self._place = place
        self._session = session
        self._agent = agent

    def trajectories(self) -> Iterator[Trajectory]:
        """A trajectory for each context between two compactions."""
        messages = self._place.messages(self.session_id, self.skipped)
        kept = until_reverted(messages, self._session.revert, self.skipped)
        yield from trajectories_of(steps_of(kept), agent=self._agent, skipped=self.skipped)


@dataclass(frozen=True)
class OpencodeRecording:
    """A session that a person began, and those that its subagents were."""

    place: Sessions
    main: StoredSession
    agents: tuple[StoredSession, ...] = ()
    source: Source = "opencode"

    @property
    def session_id(self) -> str:
        """As opencode names it: `ses_...`."""
        return self.main.id

    def beginning(self) -> Beginning:
        """Its directory, and when it was made."""
        return Beginning(self.main.directory, iso_time(self.main.created))

    def state(self) -> State:
        """The state of all its sessions."""
        return self.place.state([self.main.id, *(agent.id for agent in self.agents)])

    def readers(self) -> Iterator[OpencodeReader]:
        """The main session's, then its subagents', oldest first."""
        yield OpencodeReader(self.place, self.main)
        for agent in self.agents:
            yield OpencodeReader(self.place, agent, agent=agent.id)


class Opencode:
    """Reads `opencode.db` and `storage` in opencode's data directory; a `Harness`."""

    source: Source = "opencode"

    def recordings(self, homes: Iterable[Path]) -> Mapping[str, Recording]:
        """Sessions that persons began, by id; of two places that hold one, the database."""
        found: dict[str, Recording] = {}
        for home in homes:
            for place in _places(home):
                try:
                    found = {**_recordings_in(place), **found}
                except OSError as error:
                    logger.warning("sessions of opencode are left out: %s", error)
        return found

    def recording(self, path: Path) -> Recording | None:
        """The session of an export, or the only one of a database."""
        try:
            place = DatabaseSessions(path) if path.name == DATABASE else ExportedSession(path)
            found = list(_recordings_in(place).values())
        except (ValueError, OSError):
            return None
        return found[0] if len(found) == 1 else None


def _places(home: Path) -> Iterator[Sessions]:
    if (home / DATABASE).is_file():
        yield DatabaseSessions(home / DATABASE)
    if (home / STORAGE).is_dir():
        yield FileSessions(home / STORAGE)


def _recordings_in(place: Sessions) -> dict[str, Recording]:
    sessions = {session.id: session for session in place.sessions()}
    agents: dict[str, list[StoredSession]] = {}
    for session in sessions.values():
        root = _root(session, sessions)
        if root.id != session.id:
            agents.setdefault(root.id, []).append(session)
    return {
        name: OpencodeRecording(place, session, tuple(agents.get(name, ())))
        for name, session in sessions.items()
        if _root(session, sessions).id == name
    }


def _root(session: StoredSession, sessions: Mapping[str, StoredSession]) -> StoredSession:
    """The session that began it, at the end of the line; one whose parent is gone began by itself."""
    seen = {session.id}
    while session.parent in sessions and session.parent not in seen:
        session = sessions[session.parent]
        seen.add(session.id)
    return session
