# SPDX-License-Identifier: Apache-2.0
"""What is asked of opencode's own database, `opencode.db`: its sessions, their messages, and parts of these.

Read only, in one snapshot, while opencode may be at work. Seen with opencode 1.18.33: tables `session` (id,
parent_id, directory, revert, time_created in ms), `message` (id, session_id, time_created, data) and `part`
(id, message_id, session_id, time_updated, data), where `data` is JSON.
"""

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

BUSY_SECONDS = 10

SESSIONS = "SELECT id, parent_id, directory, revert, time_created FROM session ORDER BY time_created, id"
MESSAGES = (
    "SELECT id, iif(length(data) <= ?, data, NULL) FROM message WHERE session_id = ? "
    "ORDER BY time_created, id"
)
PARTS = "SELECT iif(length(data) <= ?, data, NULL) FROM part WHERE message_id = ? ORDER BY id"
STATE = (
    "SELECT count(*), coalesce(max(time_updated), 0), coalesce(sum(length(data)), 0) FROM part "
    "WHERE session_id IN (SELECT value FROM json_each(?))"
)


class SessionRow(NamedTuple):
    """One session."""

    id: str
    parent: str
    "The session that began it; empty for one that a person began."

    directory: str
    revert: str
    "JSON {messageID}, where it and what follows were taken back; else empty."

    created: int
    "Milliseconds since 1970."


class PartsState(NamedTuple):
    """How much the sessions asked for hold."""

    parts: int
    updated: int
    "Milliseconds since 1970."

    size: int
    "Characters."


class OpencodeQueries:
    """A connection to one database.

    Raises:
        OSError: it is no such database, or cannot be read; from every method too.
    """

    def __init__(self, path: Path, *, longest: int) -> None:
        """longest: characters of the longest message or part that is read."""
        self._path = path
        self._longest = longest
        with self._translated():
            self._db = _opened(path)

    def close(self) -> None:
        """End the snapshot."""
        self._db.close()

    def sessions(self) -> list[SessionRow]:
        """Every session, oldest first."""
        with self._translated():
            return [_session(row) for row in self._db.execute(SESSIONS)]

    def state(self, sessions: Sequence[str]) -> PartsState:
        """The state of these sessions together."""
        with self._translated():
            (row,) = self._db.execute(STATE, [json.dumps(list(sessions))])
            return PartsState(*map(int, row))

    def messages(self, session: str) -> Iterator[tuple[str, str | None]]:
        """Ids and JSON of a session's messages, oldest first; None for JSON that is too long."""
        with self._translated():
            for name, data in self._db.execute(MESSAGES, [self._longest, session]):
                yield str(name), data

    def parts(self, message: str) -> Iterator[str | None]:
        """The JSON of a message's parts in order; None for one that is too long."""
        with self._translated():
            for (data,) in self._db.execute(PARTS, [self._longest, message]):
                yield data

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise OSError(f"{self._path} cannot be read as opencode's database: {error}") from error


def _session(row: Sequence[object]) -> SessionRow:
    name, parent, directory, revert, created = row
    return SessionRow(
        id=str(name),
        parent=str(parent or ""),
        directory=str(directory or ""),
        revert=str(revert or ""),
        created=created if isinstance(created, int) else 0,
    )


def _opened(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        raise FileNotFoundError(f"no database at {path}")
    # Without a log beside it nobody writes, and a directory that is read-only may hold no lock.
    beside = path.with_name(f"{path.name}-wal").exists()
    place = f"{path.resolve().as_uri()}?{'mode=ro' if beside else 'immutable=1'}"
    db = sqlite3.connect(place, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    db.execute("BEGIN")
    return db
