# SPDX-License-Identifier: Apache-2.0
"""Where opencode keeps sessions: its database, the files of versions before it, or an export of one.

    opencode.db                                  since 1.2
    storage/session/<project>/<session>.json     before: {id, parentID, directory, time {created}, revert},
    storage/message/<session>/<message>.json     with messages and parts as the database has them
    storage/part/<message>/<part>.json
    what `opencode export` prints                {info: a session, messages: [{info, parts}]}

The database and the export were seen by running opencode 1.18.33; the files follow their published form.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from node0.documents.json_document import MAX_BYTES, object_of, read_object
from node0.finetune.corpus.transcript.opencode.message_parts import Message
from node0.finetune.corpus.transcript.recording import State
from node0.finetune.corpus.transcript.session_lines import MAX_LINE
from node0.store.opencode_queries import OpencodeQueries

UNREADABLE = "record that is no JSON object, or too large"


class StoredSession(NamedTuple):
    """One session, without what was said."""

    id: str
    parent: str
    "The session that began it; empty for one that a person began."

    directory: str
    created: int
    "Milliseconds since 1970."

    revert: str
    "The first message that was taken back; empty where none was."


class Sessions(Protocol):
    """A place that holds sessions; every method raises OSError where it cannot be read."""

    def sessions(self) -> list[StoredSession]:
        """All sessions, oldest first."""
        ...

    def state(self, sessions: Sequence[str]) -> State:
        """The state of these sessions together."""
        ...

    def messages(self, session: str, skipped: Counter[str]) -> Iterator[Message]:
        """A session's messages, oldest first; what cannot be read is counted."""
        ...


class DatabaseSessions:
    """Sessions in `opencode.db`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def sessions(self) -> list[StoredSession]:
        """All sessions, oldest first."""
        database = OpencodeQueries(self._path, longest=MAX_LINE)
        try:
            return [
                StoredSession(row.id, row.parent, row.directory, row.created, _reverted(_parsed(row.revert)))
                for row in database.sessions()
            ]
        finally:
            database.close()

    def state(self, sessions: Sequence[str]) -> State:
        """How many parts they have, how long these are, and when one last changed."""
        database = OpencodeQueries(self._path, longest=MAX_LINE)
        try:
            parts, updated, size = database.state(sessions)
        finally:
            database.close()
        return State(((f"{self._path.name} {parts}", size, updated),), size)

    def messages(self, session: str, skipped: Counter[str]) -> Iterator[Message]:
        """Read in one snapshot."""
        database = OpencodeQueries(self._path, longest=MAX_LINE)
        try:
            for name, data in database.messages(session):
                message = _parsed(data)
                if message is None:
                    skipped[UNREADABLE] += 1
                else:
                    yield {**message, "id": name}, _counted(map(_parsed, database.parts(name)), skipped)
        finally:
            database.close()


class FileSessions:
    """Sessions under `storage`, a file for each message and part."""

    def __init__(self, storage: Path) -> None:
        self._storage = storage

    def sessions(self) -> list[StoredSession]:
        """All sessions, oldest first; a file that is none is passed over."""
        found = (_read(path) for path in sorted(self._storage.glob("session/*/*.json")))
        known = [_session(info) for info in found if info is not None]
        return sorted((one for one in known if one.id), key=lambda one: (one.created, one.id))

    def state(self, sessions: Sequence[str]) -> State:
        """How many files they have, how long these are, and when one last changed."""
        paths = [path for name in sessions for path in self._files(name)]
        status = [path.stat() for path in paths]
        size = sum(one.st_size for one in status)
        latest = max((one.st_mtime_ns for one in status), default=0)
        return State(((f"{len(paths)} files", size, latest),), size)

    def messages(self, session: str, skipped: Counter[str]) -> Iterator[Message]:
        """In the order of their names, as opencode reads them."""
        for path in self._inside("message", session):
            message = _read(path)
            if message is None:
                skipped[UNREADABLE] += 1
            else:
                parts = map(_read, self._inside("part", path.stem))
                yield {**message, "id": path.stem}, _counted(parts, skipped)

    def _files(self, session: str) -> Iterator[Path]:
        for path in self._inside("message", session):
            yield path
            yield from self._inside("part", path.stem)

    def _inside(self, kind: str, name: str) -> list[Path]:
        folder = self._storage / kind / name
        # A name comes from a file, and may point elsewhere.
        if not name or name != folder.name or not folder.is_dir():
            return []
        return sorted(path for path in folder.glob("*.json") if path.is_file() and not path.is_symlink())


class ExportedSession:
    """The one session that `opencode export` wrote to a file.

    Raises:
        ValueError: it is no such file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        content = read_object(path)
        info, messages = content.get("info"), content.get("messages")
        if not (isinstance(info, dict) and isinstance(messages, list) and _session(info).id):
            raise ValueError("it is no export of opencode")
        self._info: Mapping[str, Any] = info
        self._messages = messages

    def sessions(self) -> list[StoredSession]:
        """The one, as if a person had begun it."""
        return [_session(self._info)._replace(parent="")]

    def state(self, sessions: Sequence[str]) -> State:
        """Of the file."""
        status = self._path.stat()
        return State(((self._path.name, status.st_size, status.st_mtime_ns),), status.st_size)

    def messages(self, session: str, skipped: Counter[str]) -> Iterator[Message]:
        """In the order of the file."""
        for item in self._messages:
            info = item.get("info") if isinstance(item, dict) else None
            parts = item.get("parts") if isinstance(item, dict) else None
            if isinstance(info, dict) and isinstance(parts, list):
                yield info, _counted((part if isinstance(part, dict) else None for part in parts), skipped)
            else:
                skipped[UNREADABLE] += 1


def _counted(parts: Iterable[Mapping[str, Any] | None], skipped: Counter[str]) -> Iterator[Mapping[str, Any]]:
    for part in parts:
        if part is None:
            skipped[UNREADABLE] += 1
        else:
            yield part


def _session(info: Mapping[str, Any]) -> StoredSession:
    time = info.get("time")
    created = time.get("created") if isinstance(time, dict) else 0
    return StoredSession(
        id=str(info.get("id") or ""),
        parent=str(info.get("parentID") or ""),
        directory=str(info.get("directory") or ""),
        created=created if isinstance(created, int) else 0,
        revert=_reverted(info.get("revert")),
    )


def _reverted(revert: Any) -> str:
    return str(revert.get("messageID") or "") if isinstance(revert, dict) else ""


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return read_object(path, max_bytes=min(MAX_LINE, MAX_BYTES))
    except (ValueError, OSError):
        return None


def _parsed(text: str | None) -> dict[str, Any] | None:
    try:
        return object_of(text) if text else None
    except ValueError:
        return None
