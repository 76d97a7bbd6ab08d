# SPDX-License-Identifier: Apache-2.0
import pytest
from sqlalchemy import create_engine, inspect

import schema_ddl
from node0.errors import ConfigError
from node0.store.migrate import Migration, is_current, migrate, migrations
from node0.store.tables import metadata


def test_migrations_are_numbered_without_gaps() -> None:
    assert [migration.number for migration in migrations()] == list(range(1, len(migrations()) + 1))


def test_comments_are_no_statements() -> None:
    migration = Migration(1, "x.sql", "-- one; two\nCREATE TABLE a (b INTEGER); -- three\n\nDROP TABLE a;")

    assert list(migration.statements()) == ["CREATE TABLE a (b INTEGER)", "DROP TABLE a"]


def test_a_database_is_current_after_migrations_and_not_before() -> None:
    with create_engine("sqlite://").begin() as connection:
        before = is_current(connection, where="here")
        applied = migrate(connection, where="here")
        after = is_current(connection, where="here")

    assert (before, after) == (False, True)
    assert applied == [migration.number for migration in migrations()]


def test_a_migration_of_a_newer_program_is_refused() -> None:
    with create_engine("sqlite://").begin() as connection:
        migrate(connection, where="here")
        connection.exec_driver_sql("INSERT INTO store_migrations VALUES (9999, 'later.sql', '')")

        with pytest.raises(ConfigError, match="store here has migration 9999, newer"):
            is_current(connection, where="here")


def test_the_plans_file_makes_the_tables_of_the_schema() -> None:
    statements = Migration(1, "001.sql", schema_ddl.FILE.read_text(encoding="utf-8")).statements()

    with create_engine("sqlite://").begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
        made = inspect(connection)
        found = {name: {c["name"] for c in made.get_columns(name)} for name in made.get_table_names()}

    wanted = {name: table for name, table in metadata.tables.items() if name != "store_migrations"}
    assert found == {name: {column.name for column in table.columns} for name, table in wanted.items()}


def test_the_plans_file_is_the_schema_of_today() -> None:
    assert schema_ddl.FILE.read_text(encoding="utf-8") == schema_ddl.statements(), "run: make docs"
