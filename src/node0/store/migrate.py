# SPDX-License-Identifier: Apache-2.0
"""Migrate a database to the newest schema by numbered SQL files."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.resources import files
from typing import NamedTuple

from sqlalchemy import Connection, insert, inspect, select

from node0.errors import ConfigError
from node0.store.tables import store_migrations


class Migration(NamedTuple):
    """One numbered file of this package."""

    number: int
    name: str
    sql: str

    def statements(self) -> Iterator[str]:
        """Its statements, without comments."""
        text = re.sub(r"--[^\n]*", "", self.sql)
        yield from filter(None, (statement.strip() for statement in text.split(";")))


def migrations() -> list[Migration]:
    """All that this program knows, in order."""
    found = [file for file in files("node0.store.migrations").iterdir() if file.name.endswith(".sql")]
    return sorted(Migration(int(file.name[:4]), file.name, file.read_text("utf-8")) for file in found)


def is_current(connection: Connection, *, where: str) -> bool:
    """Whether the store has every migration that this program knows.

    Raises:
        ConfigError: it holds one that this program does not know.
    """
    if not inspect(connection).has_table(store_migrations.name):
        return False
    return not _missing(connection, where)


def migrate(connection: Connection, *, where: str) -> list[int]:
    """Apply what is missing, inside the caller's transaction; the numbers applied.

    Raises:
        ConfigError: the store holds a migration that this program does not know.
    """
    store_migrations.create(connection, checkfirst=True)
    missing = _missing(connection, where)
    for migration in missing:
        _apply(connection, migration)
    return [migration.number for migration in missing]


def _missing(connection: Connection, where: str) -> list[Migration]:
    done = set(connection.scalars(select(store_migrations.c.number)))
    known = migrations()
    if unknown := done - {migration.number for migration in known}:
        raise ConfigError(f"store {where} has migration {max(unknown)}, newer than this program; upgrade it")
    return [migration for migration in known if migration.number not in done]


def _apply(connection: Connection, migration: Migration) -> None:
    for statement in migration.statements():
        connection.exec_driver_sql(statement)
    connection.execute(
        insert(store_migrations).values(
            number=migration.number,
            name=migration.name,
            applied_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
    )
