# SPDX-License-Identifier: Apache-2.0
"""What every kind of store promises, on SQLite and on a real Dolt server."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from integration.dolt_server import NEWER, find_dolt, running
from sqlalchemy import MetaData, insert, inspect, select

from node0.errors import ConfigError, StoreUnavailable
from node0.store.copy_store import copy_store
from node0.store.dolt_server import OwnDolt
from node0.store.dolt_store import DoltStore
from node0.store.engine import open_store
from node0.store.migrate import migrate, migrations
from node0.store.tables import metadata, model_events, store_migrations
from node0.store.transactions import Store, actor

pytestmark = pytest.mark.integration

WRITER = Path(__file__).with_name("store_writer.py")
EVENT = {"number": 1, "at": "", "actor": "", "name": "deacon", "version": 1, "event": "test", "reason": ""}
ROW = EVENT | {"detail": {"of": ["any", 1, None, "ü"]}}
WRITERS, ROWS = 8, 6
needs_dolt = pytest.mark.skipif(find_dolt() is None, reason="no dolt: make town-tools installs it")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnDolt]:
    server = OwnDolt(tmp_path_factory.mktemp("dolt"))
    server.start(binary=str(find_dolt()))
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", pytest.param("dolt", marks=needs_dolt)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "store.sqlite")
    own: OwnDolt = request.getfixturevalue("own")
    return _database(own, request.node.name)


def _database(own: OwnDolt, name: str) -> str:
    word = "".join(letter if letter.isalnum() else "_" for letter in name)[:40]
    return own.require().url.set(database=word).render_as_string(hide_password=False)


def _numbers(store: Store) -> list[int]:
    with store.read() as connection:
        return list(connection.scalars(select(model_events.c.number).order_by(model_events.c.number)))


@contextmanager
def _writers(place: str) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that each add rows; waited for when the block ends."""
    command = [sys.executable, str(WRITER), place]
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                subprocess.Popen([*command, f"w{number}", str(ROWS)], stdout=subprocess.PIPE, text=True)
            )
            for number in range(WRITERS)
        ]


def _has_begun(writer: subprocess.Popen[str]) -> bool:
    assert writer.stdout is not None
    return writer.stdout.readline() == "1\n"


def test_migrations_build_exactly_the_schema_of_the_program(place: str) -> None:
    store, built = open_store(place), MetaData()

    with store.read() as connection:
        built.reflect(connection)
        keys = {table: inspect(connection).get_foreign_keys(table) for table in built.tables}

    def shape(found: MetaData) -> dict[str, dict[str, tuple[str, bool, bool]]]:
        return {
            table.name: {c.name: (str(c.type), bool(c.nullable), c.primary_key) for c in table.columns}
            for table in found.sorted_tables
        }

    assert shape(built) == shape(metadata)
    assert {table: len(found) for table, found in keys.items()} == {
        table.name: len(table.foreign_key_constraints) for table in metadata.sorted_tables
    }


def test_applying_migrations_twice_changes_nothing(place: str) -> None:
    store = open_store(place)

    with store.write("again") as connection:
        applied = migrate(connection, where="here")
        numbers = list(connection.scalars(select(store_migrations.c.number)))

    assert (applied, numbers) == ([], [migration.number for migration in migrations()])


def test_what_is_written_is_read_by_others(place: str) -> None:
    with open_store(place).write("one event") as connection:
        connection.execute(insert(model_events), [ROW])

    with open_store(place).read() as connection:
        found = connection.execute(select(model_events)).mappings().one()
    assert dict(found) == ROW


def test_a_write_that_fails_leaves_nothing(place: str) -> None:
    store = open_store(place)

    with pytest.raises(KeyError), store.write("fails") as connection:
        connection.execute(insert(model_events), [ROW])
        raise KeyError

    assert _numbers(store) == []


def test_a_reader_sees_one_state_while_another_writes(place: str) -> None:
    store, other = open_store(place), open_store(place)

    with store.read() as connection:
        before = connection.execute(select(model_events)).all()
        with other.write("meanwhile") as writing:
            writing.execute(insert(model_events), [ROW])
        after = connection.execute(select(model_events)).all()

    assert before == after == []
    assert _numbers(store) == [1]


def test_a_second_writer_waits_and_then_gives_up(place: str) -> None:
    first, second = open_store(place), open_store(place, busy_seconds=1)

    with first.write("long"), pytest.raises(StoreUnavailable, match="another process"), second.write("late"):
        pass

    with second.write("now") as connection:
        connection.execute(insert(model_events), [ROW])
    assert _numbers(first) == [1]


def test_a_store_of_a_newer_program_is_refused(place: str) -> None:
    with open_store(place).write("from the future") as connection:
        row = {"number": 9999, "name": "later.sql", "applied_at": ""}
        connection.execute(insert(store_migrations), [row])

    with pytest.raises(ConfigError, match="9999, newer than this program"):
        open_store(place)


def test_eight_writers_lose_no_row_and_count_without_gaps(place: str) -> None:
    store = open_store(place)

    with _writers(place) as writers:
        codes = [writer.wait(120) for writer in writers]

    assert codes == [0] * WRITERS
    assert _numbers(store) == list(range(1, WRITERS * ROWS + 1))


def test_a_writer_that_is_killed_holds_nobody_up(place: str) -> None:
    store = open_store(place)

    with _writers(place) as writers:
        for writer in writers[:4]:
            assert _has_begun(writer)
            os.kill(writer.pid, signal.SIGKILL)
        codes = [writer.wait(120) for writer in writers]

    numbers = _numbers(store)
    assert codes[4:] == [0] * 4
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= 4 * ROWS + 4


@needs_dolt
def test_writers_survive_a_restart_of_the_server(own: OwnDolt) -> None:
    place = _database(own, "restart")
    store = open_store(place)

    with _writers(place) as writers:
        assert all(_has_begun(writer) for writer in writers)
        own.stop()
        own.start(binary=str(find_dolt()))
        codes = [writer.wait(180) for writer in writers]

    assert codes == [0] * WRITERS
    assert _numbers(store) == list(range(1, WRITERS * ROWS + 1))


@needs_dolt
def test_every_change_is_one_commit_with_its_reason(own: OwnDolt) -> None:
    store = open_store(_database(own, "commits"))
    assert isinstance(store, DoltStore)
    before = len(store.log(100))

    with store.write("Register deacon") as connection:
        connection.execute(insert(model_events), [ROW, ROW | {"number": 2}])
    with store.write("Nothing changes here"):
        pass

    commits = store.log(100)
    assert len(commits) == before + 1
    assert commits[0]["message"] == "Register deacon"


@needs_dolt
def test_writers_at_once_make_a_commit_each_with_author_and_reason(own: OwnDolt) -> None:
    place = _database(own, "at_once")
    store = open_store(place)
    assert isinstance(store, DoltStore)

    with _writers(place) as writers:
        codes = [writer.wait(120) for writer in writers]

    commits = [row for row in store.log(1000) if str(row["message"]).startswith("add ")]
    wanted = {f"add w{writer} {number}" for writer in range(WRITERS) for number in range(1, ROWS + 1)}
    assert codes == [0] * WRITERS
    assert len(commits) == WRITERS * ROWS
    assert {row["message"] for row in commits} == wanted
    assert {row["committer"] for row in commits} == {actor()}


@needs_dolt
def test_a_branch_keeps_its_rows_to_itself_and_differs_by_them(own: OwnDolt) -> None:
    store = open_store(_database(own, "branches"))
    assert isinstance(store, DoltStore)
    store.make_branch("dpo-gt-abc12-a")

    with store.on_branch("dpo-gt-abc12-a").write("On the branch") as connection:
        connection.execute(insert(model_events), [ROW])
    (changed,) = store.diff("model_events", "main", "dpo-gt-abc12-a")

    assert store.branches() == ["dpo-gt-abc12-a", "main"]
    assert _numbers(store) == []
    assert (changed["diff_type"], changed["to_name"]) == ("added", "deacon")


@needs_dolt
def test_a_branch_that_is_not_there_is_refused(own: OwnDolt) -> None:
    store = open_store(_database(own, "no_branch"))
    assert isinstance(store, DoltStore)

    with pytest.raises(ConfigError, match="nowhere"):
        store.on_branch("nowhere")


@needs_dolt
def test_a_store_is_copied_whole_and_only_into_an_empty_one(own: OwnDolt, tmp_path: Path) -> None:
    source, target = open_store(tmp_path / "store.sqlite"), open_store(_database(own, "copied"))
    with source.write("one event") as connection:
        connection.execute(insert(model_events), [ROW])

    counts = copy_store(source, target)

    assert counts["model_events"] == 1
    with target.read() as connection:
        assert dict(connection.execute(select(model_events)).mappings().one()) == ROW
    with pytest.raises(ConfigError, match="not empty"):
        copy_store(source, target)


@needs_dolt
def test_the_towns_own_server_is_refused_with_the_reason(tmp_path: Path) -> None:
    binary = find_dolt()
    assert binary is not None
    with running(binary, tmp_path / "town") as town:
        town.create("hq", NEWER)
        place = f"mysql+pymysql://root@127.0.0.1:{town.port}/node0"
        with pytest.raises(ConfigError, match=r"town's own Dolt server .* adopt"):
            open_store(place)
        with town.engine().connect() as connection:
            databases = connection.exec_driver_sql("SHOW DATABASES").scalars().all()

    assert "node0" not in databases


@needs_dolt
def test_a_wrong_password_is_refused_without_showing_it(own: OwnDolt) -> None:
    url = own.require().url.set(password="hunter2-wrong")

    with pytest.raises(ConfigError, match="refuses this user") as caught:
        open_store(url.render_as_string(hide_password=False))
    assert "hunter2" not in str(caught.value)


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(StoreUnavailable, match="does not answer"):
        open_store("mysql+pymysql://node0@127.0.0.1:9/node0")


@needs_dolt
def test_a_server_is_started_once_found_again_and_stopped(tmp_path: Path) -> None:
    server = OwnDolt(tmp_path / "dolt")

    first = server.start(binary=str(find_dolt()))
    second = OwnDolt(tmp_path / "dolt").start(binary=str(find_dolt()))
    was_running, still_running = server.stop(), server.running()

    assert first == second
    assert (was_running, still_running, server.stop()) == (True, None, False)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "dolt").iterdir()}
    assert modes["server.json"] == modes["privileges.db"] == 0o600
