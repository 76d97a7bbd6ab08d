# SPDX-License-Identifier: Apache-2.0
"""The store on a Dolt server, over the MySQL protocol: every change is one commit of its history."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from node0.errors import ConfigError, Node0Error, StoreUnavailable
from node0.retry import call_with_retries
from node0.store.bead_queries import holds_beads
from node0.store.migrate import is_current, migrate
from node0.store.transactions import actor

DRIVER = "mysql+pymysql"
MAIN = "main"
CONNECT_SECONDS, READ_SECONDS, ANSWER_SECONDS = 5, 60, 2
ATTEMPTS, FIRST_DELAY = 4, 0.3
REFUSED = (1044, 1045, 1142, 1698)
"MySQL's codes for a user, password or right that is wrong."

UNREACHABLE = (2002, 2003, 2006, 2013, 2014, 2055, 1053, 1105)
"Codes for a server that is not there, that went away, or that is shutting down."

RETRIABLE = (1205, 1213)
"Lock wait timeout and a transaction that lost against another."

LOCK = "node0_store_writes"


class DoltStore:
    """Transactions on one database of a Dolt server, on one branch of it."""

    def __init__(self, url: URL, *, busy_seconds: float, branch: str = MAIN) -> None:
        """Make the database if it is not there, and apply what migrations it lacks.

        Args:
            url: `mysql+pymysql://USER:PASSWORD@HOST:PORT/DATABASE`.
            busy_seconds: how long to wait for another process that writes.
            branch: the branch that is read and written.

        Raises:
            StoreUnavailable: the server does not answer, after a few attempts.
            ConfigError: it refuses this user, it is a town's own server, or the database is no store.
        """
        self._url, self._busy_seconds, self._branch = url, busy_seconds, branch
        self._engine = _engine(url, branch)
        self._prepare()

    @property
    def where(self) -> str:
        """Server, database and branch."""
        return f"{self._url.host}:{self._url.port or 3306}/{self._url.database}/{self._branch}"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Several queries that see one state; see `Store.read`."""
        with self._translated(), self._connected() as connection, connection.begin():
            connection.execute(text("START TRANSACTION READ ONLY"))
            yield connection
            connection.execute(text("ROLLBACK"))

    @contextmanager
    def write(self, why: str) -> Iterator[Connection]:
        """All or nothing, as one commit with the message `why`; see `Store.write`."""
        with self._translated(), self._connected() as connection, self._alone(connection):
            connection.execute(text("START TRANSACTION"))
            try:
                yield connection
            except BaseException:
                _say(connection, "ROLLBACK")
                raise
            _commit(connection, why)

    def close(self) -> None:
        """Let go of the server."""
        self._engine.dispose()

    def on_branch(self, branch: str) -> "DoltStore":
        """The same database on another branch.

        Raises:
            ConfigError: there is no such branch.
        """
        return DoltStore(self._url, busy_seconds=self._busy_seconds, branch=branch)

    def branches(self) -> list[str]:
        """The names of its branches."""
        with self.read() as connection:
            return list(connection.scalars(text("SELECT name FROM dolt_branches ORDER BY name")))

    def make_branch(self, name: str) -> None:
        """Make a branch that begins where this one stands.

        Raises:
            ConfigError: there is one already, or the name is none.
        """
        with self._translated(), self._connected() as connection:
            connection.execute(text("CALL DOLT_BRANCH(:name, :start)"), {"name": name, "start": self._branch})

    def drop_branch(self, name: str) -> None:
        """Drop a branch, merged or not.

        Raises:
            ConfigError: there is none.
        """
        with self._translated(), self._connected() as connection:
            connection.execute(text("CALL DOLT_BRANCH('-D', :name)"), {"name": name})

    def log(self, limit: int = 20) -> Sequence[Mapping[str, Any]]:
        """The last commits, newest first: commit_hash, committer, date, message."""
        query = text("SELECT commit_hash, committer, date, message FROM dolt_log LIMIT :limit")
        with self.read() as connection:
            return [dict(row) for row in connection.execute(query, {"limit": limit}).mappings()]

    def diff(self, table: str, start: str, end: str) -> Sequence[Mapping[str, Any]]:
        """Rows of a table that differ between two commits or branches, with `from_`, `to_`, `diff_type`."""
        query = text("SELECT * FROM dolt_diff(:start, :end, :table)")
        values = {"start": start, "end": end, "table": table}
        with self.read() as connection:
            return [dict(row) for row in connection.execute(query, values).mappings()]

    def _prepare(self) -> None:
        with self._translated(), self._connected(with_database=False) as connection:
            if databases := holds_beads(connection):
                raise ConfigError(
                    f"{self._url.host}:{self._url.port} is a town's own Dolt server (bd keeps its beads in "
                    f"{databases[0]!r}): gt would adopt a database of ours as a rig; use another server"
                )
            if self._branch == MAIN:
                connection.execute(text(f"CREATE DATABASE IF NOT EXISTS {_quoted(self._url.database)}"))
        with self.read() as connection:
            if is_current(connection, where=self.where):
                return
        with self.write("Bring the tables to the newest migration") as connection:
            migrate(connection, where=self.where)

    @contextmanager
    def _connected(self, *, with_database: bool = True) -> Iterator[Connection]:
        """A connection; a server that is just starting again is tried a few times."""
        engine = self._engine if with_database else _engine(self._url._replace(database=None), None)
        with call_with_retries(
            lambda: self._connect(engine), attempts=ATTEMPTS, first_delay=FIRST_DELAY
        ) as connection:
            yield connection

    def _connect(self, engine: Engine) -> Connection:
        with self._translated():
            return engine.connect()

    @contextmanager
    def _alone(self, connection: Connection) -> Iterator[None]:
        """Hold the lock of whoever writes to this database."""
        name = f"{LOCK}_{self._url.database}"
        seconds = max(1, round(self._busy_seconds))
        got = connection.scalar(text("SELECT GET_LOCK(:name, :seconds)"), {"name": name, "seconds": seconds})
        if got != 1:
            raise StoreUnavailable(f"store {self.where}: another process has been writing for {seconds} s")
        try:
            yield
        finally:
            _say(connection, "SELECT RELEASE_LOCK(:name)", name=name)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise _translate(error, self.where) from error
        except RuntimeError as error:  # the driver's word for a password method that it cannot do
            raise ConfigError(f"store {self.where} cannot be logged in to: {error}") from error


def _engine(url: URL, branch: str | None, *, read_seconds: int = READ_SECONDS) -> Engine:
    place = url if branch in (None, MAIN) else url.set(database=f"{url.database}/{branch}")
    limits = {"connect_timeout": CONNECT_SECONDS, "read_timeout": read_seconds}
    # AUTOCOMMIT: transactions are begun and ended here, and end in a commit of Dolt's.
    return create_engine(place, poolclass=NullPool, connect_args=limits, isolation_level="AUTOCOMMIT")


def _commit(connection: Connection, why: str) -> None:
    name = actor()
    values = {"why": " ".join(why.split())[:1000], "author": f"{name} <{name}@node0>"}
    connection.execute(
        text("CALL DOLT_COMMIT('-A', '--skip-empty', '-m', :why, '--author', :author)"), values
    )


def _say(connection: Connection, statement: str, **values: object) -> None:
    """Execute it where the connection still stands: with a broken one its transaction and lock are gone."""
    if not connection.invalidated:
        connection.execute(text(statement), values)


def _quoted(name: str | None) -> str:
    return "`" + str(name).replace("`", "``") + "`"


def _translate(error: DBAPIError, where: str) -> Node0Error:
    code, *said = getattr(error.orig, "args", None) or (0,)
    reason = " ".join(" ".join(map(str, said)).split()) or str(error.orig)
    if code in REFUSED:
        return ConfigError(f"store {where} refuses this user ({reason}); correct the user and password")
    if code in RETRIABLE:
        return StoreUnavailable(f"store {where}: another process writes ({reason}); try again")
    if code in UNREACHABLE or error.connection_invalidated:
        return StoreUnavailable(f"store {where} does not answer ({reason}); see: node0 store dolt status")
    return ConfigError(f"store {where} cannot be used: {reason}")


def answers(url: URL) -> bool:
    """Whether a server lets this user in."""
    try:
        engine = _engine(url._replace(database=None), None, read_seconds=ANSWER_SECONDS)
        with engine.connect() as connection:
            return bool(connection.scalar(text("SELECT 1")) == 1)
    except DBAPIError:
        return False
