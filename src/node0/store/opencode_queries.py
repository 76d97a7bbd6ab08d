# SPDX-License-Identifier: Apache-2.0
"""What is asked of opencode's own database, `opencode.db`: its sessions, their messages, and parts of these.

Read only, in one snapshot, while opencode may be at work. Who wrote the file is not known: tables are read,
no view in their place, and what a question computes and answers is bounded by what the file can hold. Seen
with opencode 1.18.33: tables `session` (id, parent_id, directory, revert, time_created in ms), `message` (id,
session_id, time_created, data) and `part` (id, message_id, session_id, time_updated, data); `data` is JSON.
"""

import contextlib
import errno
import json
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

BUSY_SECONDS = 10
STEPS = 100_000
"Of SQLite's machine between two looks at what was done."

STEPS_OF_BYTE = 20
"Steps until the next row, for each byte of the file, and `LEAST_STEPS` more: a scan and a sort take fewer."

LEAST_STEPS = 10_000_000
BYTES_OF_ROW = 4
"A row takes more."

LEAST_ROWS = 1000
LEAST_LENGTH = 1 << 20
"Bytes that a value may always have; none is larger than the file."

TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'"

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
        size = sum(file.stat().st_size for file in (path, _log(path)) if file.is_file())
        self._most_rows = LEAST_ROWS + size // BYTES_OF_ROW
        self._most_looks = (LEAST_STEPS + STEPS_OF_BYTE * size) // STEPS
        self._looks = 0
        self._db.set_progress_handler(self._is_too_much, STEPS)
        self._db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, max(LEAST_LENGTH, size))
        if missing := {"session", "message", "part"} - {name for (name,) in self._rows(TABLES)}:
            self.close()
            raise _unreadable(path, f"it has no table {min(missing)}")

    def close(self) -> None:
        """End the snapshot."""
        self._db.close()

    def sessions(self) -> list[SessionRow]:
        """Every session, oldest first."""
        return [_session(row) for row in self._rows(SESSIONS)]

    def state(self, sessions: Sequence[str]) -> PartsState:
        """The state of these sessions together."""
        (row,) = self._rows(STATE, json.dumps(list(sessions)))
        return PartsState(*(value if isinstance(value, int) else 0 for value in row))

    def messages(self, session: str) -> Iterator[tuple[str, str | None]]:
        """Ids and JSON of a session's messages, oldest first; None for what is no text, or too long."""
        for name, data in self._rows(MESSAGES, self._longest, session):
            yield str(name), _text(data)

    def parts(self, message: str) -> Iterator[str | None]:
        """The JSON of a message's parts in order; None for what is no text, or too long."""
        for (data,) in self._rows(PARTS, self._longest, message):
            yield _text(data)

    def _rows(self, question: str, *values: object) -> Iterator[Sequence[Any]]:
        """The rows of an answer; a file in which pages lead back to themselves has no more than others."""
        with self._translated():
            for number, row in enumerate(self._db.execute(question, values)):
                if number > self._most_rows:
                    raise sqlite3.DatabaseError("it has more rows than it can hold")
                self._looks = 0
                yield row

    def _is_too_much(self) -> bool:
        """Whether SQLite has done more since the last row than the file takes; True ends the question."""
        self._looks += 1
        return self._looks > self._most_looks

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise _unreadable(self._path, str(error)) from error


def _session(row: Sequence[object]) -> SessionRow:
    name, parent, directory, revert, created = row
    return SessionRow(
        id=str(name),
        parent=str(parent or ""),
        directory=str(directory or ""),
        revert=str(revert or ""),
        created=created if isinstance(created, int) else 0,
    )


def _text(data: object) -> str | None:
    return data if isinstance(data, str) else None


def _opened(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        raise FileNotFoundError(f"no database at {path}")
    # Without a log beside it nobody writes, and a directory that is read-only may hold no lock.
    place = f"{path.resolve().as_uri()}?{'mode=ro' if _log(path).exists() else 'immutable=1'}"
    db = sqlite3.connect(place, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    db.execute("BEGIN")
    return db


def _log(path: Path) -> Path:
    """What opencode has written and not yet put into the database itself."""
    return path.with_name(f"{path.name}-wal")


def _unreadable(path: Path, why: str) -> OSError:
    return OSError(errno.EIO, f"it cannot be read as opencode's database ({why})", str(path))
