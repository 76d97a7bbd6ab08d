# SPDX-License-Identifier: Apache-2.0
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import MetaData, insert, inspect, select

from node0.errors import ConfigError, StoreUnavailable
from node0.store.engine import open_store
from node0.store.migrate import migrate, migrations
from node0.store.tables import metadata, store_migrations


def _row(number: int) -> dict[str, object]:
    return {"number": number, "name": "later.sql", "applied_at": "2026-01-01T00:00:00+00:00"}


def _shape(found: MetaData) -> dict[str, list[tuple[str, str, bool, bool]]]:
    return {
        table.name: sorted(
            (column.name, str(column.type), bool(column.nullable), column.primary_key)
            for column in table.columns
        )
        for table in found.sorted_tables
    }


def test_migrations_build_exactly_the_schema_of_the_program(tmp_path: Path) -> None:
    open_store(tmp_path / "store.sqlite")
    built = MetaData()

    with open_store(tmp_path / "store.sqlite").read() as connection:
        built.reflect(connection)
        keys = inspect(connection).get_foreign_keys("model_artefacts")

    assert _shape(built) == _shape(metadata)
    assert [key["referred_table"] for key in keys] == ["model_registry"]


def test_applying_migrations_twice_changes_nothing(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store.sqlite")
    with store.read() as connection:
        first = connection.execute(select(store_migrations)).all()

    with store.write("test") as connection:
        applied = migrate(connection, where="here")
        second = connection.execute(select(store_migrations)).all()

    assert applied == []
    assert [row.number for row in first] == [migration.number for migration in migrations()]
    assert first == second


def test_migrations_are_numbered_without_gaps() -> None:
    assert [migration.number for migration in migrations()] == list(range(1, len(migrations()) + 1))


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store.sqlite")

    with pytest.raises(RuntimeError), store.write("test") as connection:
        connection.execute(insert(store_migrations), [_row(9998)])
        raise RuntimeError

    with store.read() as connection:
        assert 9998 not in set(connection.scalars(select(store_migrations.c.number)))


def test_a_store_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    with open_store(tmp_path / "store.sqlite").write("test") as connection:
        connection.execute(insert(store_migrations), [_row(9999)])

    with pytest.raises(ConfigError, match="9999, newer than this program"):
        open_store(tmp_path / "store.sqlite")


def test_a_locked_store_is_unavailable_and_readable(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    open_store(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    store = open_store(path, busy_seconds=0.05)
    with pytest.raises(StoreUnavailable, match="locked by another process"), store.write("test"):
        pass
    with store.read() as connection:
        assert connection.scalar(select(store_migrations.c.number)) == 1
    other.close()


def test_a_missing_store_reads_as_empty_and_is_not_made(tmp_path: Path) -> None:
    store = open_store(tmp_path / "models" / "store.sqlite", create=False)

    with store.read() as connection:
        assert connection.scalar(select(store_migrations.c.number)) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["mysql://host/models", "sqlite://", "://"])
def test_an_unsupported_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=r"sqlite:///FILE|not a URL"):
        open_store(url)


def test_a_url_and_a_path_open_the_same_store(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/store.sqlite").write("test") as connection:
        connection.execute(insert(store_migrations), [_row(9)])

    with sqlite3.connect(tmp_path / "store.sqlite") as connection:
        assert connection.execute("SELECT max(number) FROM store_migrations").fetchone() == (9,)


def test_a_file_that_is_no_store_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database\n" * 100)

    with pytest.raises(ConfigError, match="not a database"):
        open_store(path)
    assert path.read_text() == "not a database\n" * 100
