# SPDX-License-Identifier: Apache-2.0
"""Query a town's beads on its Dolt server, read-only, with whatever columns are there.

Columns differ between versions of bd, so a table is asked for what it has of what is wanted. Everything is
read in one READ ONLY transaction: one state of the town, and a statement that would change it is refused.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    Select,
    bindparam,
    column,
    create_engine,
    select,
    table,
    text,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from node0.errors import ConfigError, DoltUnavailable, Node0Error
from node0.town import DoltServer

CONNECT_SECONDS, READ_SECONDS = 5, 60
DENIED = (1044, 1045, 1142, 1698)
COLUMNS = text(
    "SELECT table_schema, table_name, column_name FROM information_schema.columns "
    "WHERE table_name IN :names AND table_schema NOT IN ('information_schema', 'mysql', 'sys')"
).bindparams(bindparam("names", expanding=True))
MARK = {("issues", "title"), ("events", "event_type"), ("events", "issue_id")}
"What a database of bd has."


class BeadRow(NamedTuple):
    """One row, with the columns that its table has."""

    database: str
    table: str
    values: Mapping[str, Any]


def read_rows(server: DoltServer, wanted: Mapping[str, Sequence[str]]) -> Iterator[BeadRow]:
    """Rows of every database of bd on a server.

    Args:
        wanted: Columns by table; those that a database lacks are left out.

    Raises:
        DoltUnavailable: the server does not answer.
        ConfigError: it refuses this user, or it is no server of bd.
    """
    with _reading(server) as connection:
        for (database, name), columns in _tables(connection, wanted).items():
            rows = connection.execution_options(stream_results=True).execute(_all_of(database, name, columns))
            for row in rows.mappings():
                yield BeadRow(database, name, {str(key): value for key, value in row.items()})


def bead_databases(server: DoltServer) -> list[str]:
    """The names of the databases of bd on a server, sorted.

    Raises:
        DoltUnavailable: the server does not answer.
        ConfigError: it refuses this user.
    """
    with _reading(server) as connection:
        return holds_beads(connection)


def holds_beads(connection: Connection) -> list[str]:
    """The databases of bd on a server."""
    return sorted(_towns(connection, sorted({name for name, _ in MARK})))


@contextmanager
def _reading(server: DoltServer) -> Iterator[Connection]:
    url = URL.create("mysql+pymysql", server.user, server.password, server.host, server.port)
    limits = {"connect_timeout": CONNECT_SECONDS, "read_timeout": READ_SECONDS}
    # AUTOCOMMIT, so that the only transaction is the one begun here.
    engine = create_engine(url, poolclass=NullPool, connect_args=limits, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(text("START TRANSACTION READ ONLY"))
            yield connection
            connection.execute(text("ROLLBACK"))
    except DBAPIError as error:
        raise _translate(error, server) from error
    except RuntimeError as error:  # the driver's word for a password method that it cannot do
        raise ConfigError(f"Dolt at {server.host}:{server.port} cannot be logged in to: {error}") from error


def _all_of(database: str, name: str, columns: Sequence[str]) -> Select[tuple[Any, ...]]:
    parts: list[ColumnElement[Any]] = [column(one) for one in columns]
    return select(*parts).select_from(table(name, schema=database))


def _tables(
    connection: Connection, wanted: Mapping[str, Sequence[str]]
) -> dict[tuple[str, str], Sequence[str]]:
    towns = _towns(connection, list(wanted))
    if not towns:
        raise ConfigError(
            "no database of bd on this Dolt server: name the town's port, or a backup with --beads"
        )
    tables = {
        (database, name): [one for one in names if (name, one) in columns]
        for database, columns in towns.items()
        for name, names in wanted.items()
    }
    return {place: columns for place, columns in tables.items() if columns}


def _towns(connection: Connection, names: Sequence[str]) -> dict[str, set[tuple[str, str]]]:
    """Tables and their columns, of the databases that are bd's."""
    found: dict[str, set[tuple[str, str]]] = {}
    for database, name, one in connection.execute(COLUMNS, {"names": names}):
        found.setdefault(database, set()).add((name, one))
    return {database: columns for database, columns in sorted(found.items()) if columns >= MARK}


def _translate(error: DBAPIError, server: DoltServer) -> Node0Error:
    code, *said = getattr(error.orig, "args", None) or (0,)
    where, reason = f"Dolt at {server.host}:{server.port}", " ".join(map(str, said)) or str(error.orig)
    if code in DENIED:
        return ConfigError(
            f"{where} refuses user {server.user!r} ({reason}): set GT_DOLT_USER, GT_DOLT_PASSWORD"
        )
    return DoltUnavailable(
        f"{where} does not answer ({reason}): start it with `gt dolt start`, or say --beads"
    )
