# SPDX-License-Identifier: Apache-2.0
"""Beads of a server that SQLite stands in for; a real Dolt answers in tests/integration."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pymysql
import pytest
import sqlalchemy
from sqlalchemy import Engine, event
from sqlalchemy.pool import StaticPool

from node0.errors import ConfigError, DoltUnavailable
from node0.store import bead_queries
from node0.store.bead_queries import BeadRow, bead_databases, read_rows
from node0.town import DoltServer

SERVER = DoltServer(port=3999, user="toast", password="hush")
WANTED = {"issues": ("id", "title", "ephemeral"), "events": ("issue_id", "event_type"), "wisps": ("id",)}
ISSUES = "issues (id TEXT, title TEXT, description TEXT)"
EVENTS = "events (issue_id TEXT, event_type TEXT)"
Databases = Mapping[str, Sequence[str]]


class Server:
    """Databases with tables, and what they were asked, in order."""

    def __init__(self, databases: Databases) -> None:
        self.databases, self.statements = databases, []

    def engine(self, *_: object, **__: object) -> Engine:
        """An engine of SQLite that says what MySQL would of its tables."""
        engine = sqlalchemy.create_engine("sqlite://", poolclass=StaticPool, isolation_level="AUTOCOMMIT")
        event.listen(engine, "connect", lambda connection, _: self._fill(connection))
        event.listen(engine, "before_cursor_execute", self._hear, retval=True)
        return engine

    def _fill(self, connection: Any) -> None:
        connection.execute("ATTACH ':memory:' AS information_schema")
        connection.execute(
            "CREATE TABLE information_schema.columns (table_schema TEXT, table_name TEXT, column_name TEXT)"
        )
        for database, tables in self.databases.items():
            connection.execute(f"ATTACH ':memory:' AS {database}")
            for each in tables:
                self._make(connection, database, each)

    def _make(self, connection: Any, database: str, described: str) -> None:
        connection.execute(f"CREATE TABLE {database}.{described}")
        name = described.partition(" ")[0]
        columns = [row[1] for row in connection.execute(f"PRAGMA {database}.table_info({name})")]
        for column in columns:
            told = (database, name, column)
            connection.execute("INSERT INTO information_schema.columns VALUES (?, ?, ?)", told)
        row = [f"{database} {column}" for column in columns]
        connection.execute(f"INSERT INTO {database}.{name} VALUES ({', '.join('?' * len(row))})", row)

    def _hear(self, _connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> Any:
        self.statements.append(" ".join(statement.split()))
        return statement.replace("START TRANSACTION READ ONLY", "BEGIN"), parameters


def read(monkeypatch: pytest.MonkeyPatch, databases: Databases) -> tuple[list[BeadRow], list[str]]:
    server = Server(databases)
    monkeypatch.setattr(bead_queries, "create_engine", server.engine)
    return list(read_rows(SERVER, WANTED)), server.statements


def test_each_table_is_asked_for_what_it_has_of_what_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, statements = read(monkeypatch, {"gastown": (ISSUES, EVENTS)})

    assert rows == [
        BeadRow("gastown", "issues", {"id": "gastown id", "title": "gastown title"}),
        BeadRow("gastown", "events", {"issue_id": "gastown issue_id", "event_type": "gastown event_type"}),
    ]
    assert not [statement for statement in statements if "description" in statement or "*" in statement]


def test_every_database_of_bd_is_read_by_name_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    newer = (ISSUES, EVENTS, "wisps (id TEXT, title TEXT)")
    older = ("issues (id TEXT, title TEXT, ephemeral INT)", EVENTS)
    other = ("issues (id TEXT, title TEXT)",)

    rows, statements = read(monkeypatch, {"hq": newer, "gastown": older, "other": other})

    assert [(row.database, row.table) for row in rows] == [
        ("gastown", "issues"),
        ("gastown", "events"),
        ("hq", "issues"),
        ("hq", "events"),
        ("hq", "wisps"),
    ]
    assert rows[0].values["ephemeral"] == "gastown ephemeral"
    assert rows[-1].values == {"id": "hq id"}
    assert not [statement for statement in statements if "other." in statement]


def test_the_databases_of_bd_are_named_without_reading_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    other = ("issues (id TEXT, title TEXT)",)
    server = Server({"hq": (ISSUES, EVENTS), "demo": (ISSUES, EVENTS), "other": other})
    monkeypatch.setattr(bead_queries, "create_engine", server.engine)

    assert bead_databases(SERVER) == ["demo", "hq"]
    assert not [statement for statement in server.statements if "hq." in statement or "demo." in statement]


def test_a_table_without_any_wanted_column_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, _ = read(monkeypatch, {"gastown": (ISSUES, EVENTS, "wisps (uuid TEXT)")})

    assert {row.table for row in rows} == {"issues", "events"}


def test_everything_is_read_in_one_transaction_that_may_not_write(monkeypatch: pytest.MonkeyPatch) -> None:
    _, (first, *between, last) = read(monkeypatch, {"gastown": (ISSUES, EVENTS), "hq": (ISSUES, EVENTS)})

    assert (first, last) == ("START TRANSACTION READ ONLY", "ROLLBACK")
    assert len(between) == 5
    assert all(statement.startswith("SELECT ") for statement in between)


@pytest.mark.parametrize(
    "databases", [{}, {"other": ("issues (id TEXT, title TEXT)",)}, {"other": (EVENTS, "issues (id TEXT)")}]
)
def test_a_server_without_a_database_of_bd_is_refused(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="no database of bd on this Dolt server"):
        read(monkeypatch, databases)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """How the driver was asked to connect; it fails with `error`."""
    told: dict[str, Any] = {}

    def connect(**arguments: Any) -> None:
        error = told["error"]
        told.update(arguments)
        raise error

    monkeypatch.setattr(pymysql, "connect", connect)
    return told


@pytest.mark.parametrize("code", [1044, 1045, 1142, 1698])
def test_a_user_who_is_refused_is_told_which_variables_to_set(code: int, asked: dict[str, Any]) -> None:
    asked["error"] = pymysql.err.OperationalError(code, "Access denied")

    with pytest.raises(ConfigError, match="refuses user 'toast'") as caught:
        next(read_rows(SERVER, WANTED))
    assert "set GT_DOLT_USER, GT_DOLT_PASSWORD" in str(caught.value)
    assert "Access denied" in str(caught.value)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        pymysql.err.OperationalError(2013, "Lost connection"),
        pymysql.err.InterfaceError("Lost connection"),
        pymysql.err.InternalError(0, "Lost connection"),
    ],
)
def test_a_server_that_breaks_off_may_be_asked_again(error: Exception, asked: dict[str, Any]) -> None:
    asked["error"] = error

    with pytest.raises(DoltUnavailable, match=r"127\.0\.0\.1:3999 does not answer") as caught:
        next(read_rows(SERVER, WANTED))
    assert "`gt dolt start`" in str(caught.value)


def test_a_login_that_the_driver_cannot_do_is_not_tried_again(asked: dict[str, Any]) -> None:
    asked["error"] = RuntimeError("'cryptography' package is required for caching_sha2_password")

    with pytest.raises(ConfigError, match=r"127\.0\.0\.1:3999 cannot be logged in to: 'cryptography'"):
        next(read_rows(SERVER, WANTED))


def test_the_server_is_reached_as_the_town_says_and_not_waited_for_without_end(
    asked: dict[str, Any],
) -> None:
    asked["error"] = pymysql.err.OperationalError(2003, "Can't connect")

    with pytest.raises(DoltUnavailable):
        next(read_rows(SERVER, WANTED))

    assert (asked["host"], asked["port"], asked["user"], asked["password"]) == (
        "127.0.0.1",
        3999,
        "toast",
        "hush",
    )
    assert 0 < asked["connect_timeout"] <= 10
    assert 0 < asked["read_timeout"] <= 120
