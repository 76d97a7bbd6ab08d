# SPDX-License-Identifier: Apache-2.0
"""The store in one SQLite file: safe for several processes, and readable where nothing may be written."""

import json
import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool, StaticPool

from node0.documents.json_document import depth_exceeds
from node0.errors import ConfigError, Node0Error, StoreUnavailable
from node0.files import PRIVATE_FILE, make_directory, narrow
from node0.store.migrate import is_current, migrate

logger = logging.getLogger(__name__)

BUSY_SECONDS = 30.0
WRITES = "node0_writes"
LOCKED = ("SQLITE_BUSY", "SQLITE_LOCKED")


class SqliteStore:
    """Transactions on one file. Reading sees a snapshot; writers queue for their turn."""

    def __init__(self, path: Path, *, create: bool = True, busy_seconds: float = BUSY_SECONDS) -> None:
        """Open it and apply what migrations it lacks.

        Args:
            path: the file.
            create: make it and its directory if missing; without, a missing store reads as an empty one.
            busy_seconds: how long to wait for another process's lock.

        Raises:
            ConfigError: not a store, not writable, or written by a newer version.
            StoreUnavailable: locked for longer than `busy_seconds`.
        """
        self._engine = _engine(path, create=create, busy_seconds=busy_seconds)
        event.listen(self._engine, "connect", _on_connect)
        event.listen(self._engine, "begin", _on_begin)
        self._bring_up_to_date()

    @property
    def where(self) -> str:
        """The file."""
        return self._engine.url.database or ":memory:"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Several queries that see one state; see `Store.read`."""
        with self._translated(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self, why: str) -> Iterator[Connection]:
        """All or nothing, under the write lock from the start; see `Store.write`."""
        logger.debug("store %s: %s", self.where, why)
        writer = self._engine.execution_options(**{WRITES: True})
        with self._translated(), writer.begin() as connection:
            yield connection

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

    def _bring_up_to_date(self) -> None:
        # Looking first keeps readers from queueing for the write lock.
        with self.read() as connection:
            if is_current(connection, where=self.where):
                return
        with self.write("migrate") as connection:
            migrate(connection, where=self.where)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DatabaseError as error:
            raise _translate(error.orig, self.where) from error
        except sqlite3.DatabaseError as error:  # from `_on_connect`
            raise _translate(error, self.where) from error


def _engine(path: Path, *, create: bool, busy_seconds: float) -> Engine:
    if not path.exists() and not create:
        return create_engine(URL.create("sqlite"), poolclass=StaticPool, json_deserializer=_from_json)
    if not create and not (os.access(path.parent, os.W_OK) and os.access(path, os.W_OK)):
        place = f"file:{quote(str(path))}?{_read_only(path)}"
    else:
        _make_file(path)
        place = f"file:{quote(str(path))}"
    return create_engine(
        URL.create("sqlite", database=str(path)),
        poolclass=NullPool,
        # The driver's own way to open a file would take the URI for the name of one.
        creator=partial(sqlite3.connect, place, uri=True, timeout=busy_seconds),
        json_deserializer=_from_json,
    )


def _from_json(text: str) -> Any:
    """What a column holds; text that is no plain JSON stays text: a broken row must not hide the others."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return text if depth_exceeds(value) else value


def _from_utf8(text: bytes) -> str:
    """Text of a column; bytes that are none are replaced, for the same reason."""
    return text.decode("utf-8", "replace")


def _read_only(path: Path) -> str:
    """How to open a file whose directory may not be written: SQLite cannot make its shared memory there."""
    log = path.with_name(f"{path.name}-wal")
    has_news = log.exists() and log.stat().st_size > 0
    return "mode=ro" if has_news else "mode=ro&immutable=1"


def _make_file(path: Path) -> None:
    """The file, for its owner alone; SQLite gives what it writes beside it the same rights."""
    try:
        make_directory(path.parent)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE))
        narrow(path)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}; choose another --town") from error


def _on_connect(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    assert isinstance(connection, sqlite3.Connection)
    # The driver would begin late and hide it; `_on_begin` begins instead.
    connection.isolation_level = None
    connection.text_factory = _from_utf8
    connection.execute("PRAGMA foreign_keys=ON")
    if connection.execute("PRAGMA journal_mode").fetchone()[0] == "delete":
        _use_write_ahead_log(connection)


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    # Changing the mode does not wait for the busy timeout; whoever comes first sets it for all.
    try:
        connection.execute("PRAGMA journal_mode=WAL")
    except sqlite3.OperationalError as error:
        logger.debug("journal mode stays for now: %s", error)


def _on_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _translate(error: BaseException | None, where: str) -> Node0Error:
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(LOCKED):
        return StoreUnavailable(f"store {where} is locked by another process; try again")
    return ConfigError(f"store {where} cannot be used: {error}; check the file and its directory")
