# SPDX-License-Identifier: Apache-2.0
"""Open the store: one SQLite file, brought to the newest migration, safe for several processes."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DatabaseError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool, StaticPool

from node0.errors import ConfigError, Node0Error, StoreUnavailable
from node0.files import make_directory, open_to_append, private_directory
from node0.store.migrate import is_current, migrate
from node0.town import Town

logger = logging.getLogger(__name__)

Transaction = Connection
"What the queries of this package are made in, for those who make several and write no SQL."

BUSY_SECONDS = 30.0
WRITES = "node0_writes"
LOCKED = ("SQLITE_BUSY", "SQLITE_LOCKED")


class Store:
    """Transactions on one database. Reading sees a snapshot; writers queue for their turn."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.where = engine.url.database or ":memory:"

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """Several queries that see one state.

        Raises:
            StoreUnavailable: the file is locked for longer than the busy timeout.
            ConfigError: the file cannot be read or is no store.
        """
        with self._translated(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """All or nothing. Holds the write lock from the start, so what it reads stays true.

        Raises:
            StoreUnavailable: another process held the lock for longer than the busy timeout.
            ConfigError: the file cannot be written or is no store.
        """
        writer = self._engine.execution_options(**{WRITES: True})
        with self._translated(), writer.begin() as connection:
            yield connection

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DatabaseError as error:
            raise _translate(error.orig, self.where) from error
        except sqlite3.DatabaseError as error:  # from `_on_connect`
            raise _translate(error, self.where) from error


def open_store(url_or_path: str | Path, *, create: bool = True, busy_seconds: float = BUSY_SECONDS) -> Store:
    """The store at a path or a `sqlite:///` URL, with every migration applied.

    Args:
        url_or_path: where it is.
        create: make the file and its directory if missing; without, a missing store reads as an empty one.
        busy_seconds: how long to wait for another process's lock.

    Raises:
        ConfigError: not a store, not writable, an unknown kind of URL, or written by a newer version.
        StoreUnavailable: locked for longer than `busy_seconds`.
    """
    path = _sqlite_path(url_or_path)
    if path.exists() or create:
        _make_private(path)
        url = URL.create("sqlite", database=str(path))
        engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": busy_seconds})
    else:
        engine = create_engine(URL.create("sqlite"), poolclass=StaticPool)
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    store = Store(engine)
    _bring_up_to_date(store)
    return store


def open_town_store(town: Town, *, create: bool = True) -> Store:
    """The store of a town, in a directory for its owner alone; errors as `open_store`."""
    if create:
        with suppress(OSError):  # a place that cannot be written is told below
            private_directory(town.models)
    return open_store(town.store_file, create=create)


def _bring_up_to_date(store: Store) -> None:
    # Looking first keeps readers from queueing for the write lock.
    with store.read() as connection:
        if is_current(connection):
            return
    with store.write() as connection:
        migrate(connection, where=store.where)


def _sqlite_path(url_or_path: str | Path) -> Path:
    if isinstance(url_or_path, Path) or "://" not in url_or_path:
        return Path(url_or_path)
    try:
        url = make_url(url_or_path)
    except ArgumentError as error:
        raise ConfigError(f"store {url_or_path!r} is not a URL: {error}; give a file") from error
    if url.get_backend_name() != "sqlite" or not url.database:
        raise ConfigError(f"store kind {url.drivername!r} is not supported; give a file or sqlite:///FILE")
    return Path(url.database)


def _make_private(path: Path) -> None:
    """Make the file for its owner alone: SQLite gives its write-ahead log the same rights."""
    try:
        make_directory(path.parent)
    except OSError as error:
        raise ConfigError(f"cannot make {path.parent}: {error.strerror}; choose another --town") from error
    # A place that cannot be written is SQLite's to tell.
    with suppress(OSError):
        open_to_append(path).close()


def _on_connect(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    assert isinstance(connection, sqlite3.Connection)
    # The driver would begin late and hide it; `_on_begin` begins instead.
    connection.isolation_level = None
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
