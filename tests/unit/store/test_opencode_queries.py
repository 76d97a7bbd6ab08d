# SPDX-License-Identifier: Apache-2.0
import contextlib
import sqlite3
from pathlib import Path

import pytest
from opencode_database import write_database

from node0.store.opencode_queries import OpencodeQueries, PartsState, SessionRow


def row(name: str, session: str = "s1", **data: object) -> dict[str, object]:
    return {"id": name, "session_id": session, "time_created": 1, "data": {"n": name, **data}}


def part(name: str, message: str, **data: object) -> dict[str, object]:
    return {"id": name, "message_id": message, "session_id": "s1", "time_updated": 7, "data": data}


ROWS = {
    "session": [
        {"id": "s1", "parent_id": None, "directory": "/srv", "revert": None, "time_created": 2},
        {"id": "s0", "parent_id": "s1", "directory": "/srv", "revert": "{}", "time_created": 1},
    ],
    "message": [row("m2"), row("m1"), row("other", "s0")],
    "part": [part("p2", "m1", a=1), part("p1", "m1", text="x" * 200), part("p3", "m2")],
}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return write_database(tmp_path / "opencode.db", ROWS)


def test_sessions_messages_and_parts_come_in_their_order(database: Path) -> None:
    opened = OpencodeQueries(database, longest=1000)

    assert opened.sessions() == [SessionRow("s0", "s1", "/srv", "{}", 1), SessionRow("s1", "", "/srv", "", 2)]
    assert list(opened.messages("s1")) == [("m1", '{"n": "m1"}'), ("m2", '{"n": "m2"}')]
    assert [data and len(data) for data in opened.parts("m1")] == [212, 8]


def test_what_is_too_long_is_left_in_the_database(database: Path) -> None:
    assert list(OpencodeQueries(database, longest=100).parts("m1")) == [None, '{"a": 1}']


def test_the_state_tells_of_all_parts_of_the_sessions(database: Path) -> None:
    opened = OpencodeQueries(database, longest=1000)

    assert opened.state(["s1", "s0"]) == PartsState(3, 7, 222)
    assert opened.state([]) == PartsState(0, 0, 0)


def test_a_database_is_read_while_another_program_writes(database: Path) -> None:
    writer = sqlite3.connect(database, isolation_level=None)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("DELETE FROM part WHERE id = 'p1'")
    opened = OpencodeQueries(database, longest=1000)
    before = opened.state(["s1"])
    writer.execute("DELETE FROM part")

    assert (before.parts, opened.state(["s1"]).parts) == (2, 2)
    assert OpencodeQueries(database, longest=1000).state(["s1"]).parts == 0
    writer.close()


@pytest.mark.parametrize("content", [b"", b"no database at all, but long enough to be one" * 99])
def test_what_is_no_database_cannot_be_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "opencode.db").write_bytes(content)

    with pytest.raises(OSError, match="opencode's database"):
        OpencodeQueries(tmp_path / "opencode.db", longest=1).sessions()


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        OpencodeQueries(tmp_path / "opencode.db", longest=1)

    assert list(tmp_path.iterdir()) == []


PAGE = 512
ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)"
SESSION, MESSAGE, PART = (
    "CREATE TABLE session (id, parent_id, directory, revert, time_created);",
    "CREATE TABLE message (id, session_id, time_created, data);",
    "CREATE TABLE part (id, message_id, session_id, time_updated, data);",
)


@pytest.mark.parametrize(
    "statements",
    [
        f"CREATE VIEW session AS {ENDLESS} SELECT x, x, x, x, x FROM n;{MESSAGE}{PART}",
        f"{SESSION}{MESSAGE}CREATE VIEW part AS {ENDLESS} SELECT x AS id, '{{}}' AS data FROM n;",
        f"{SESSION}{MESSAGE}CREATE VIRTUAL TABLE part USING fts5(id, message_id, data);",
        f"{SESSION}{MESSAGE}",
    ],
)
def test_what_stands_in_the_place_of_a_table_is_not_asked(tmp_path: Path, statements: str) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "opencode.db")) as made:
        made.executescript(statements)

    with pytest.raises(OSError, match="it has no table"):
        OpencodeQueries(tmp_path / "opencode.db", longest=1000)


def test_data_that_is_no_text_is_none(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "opencode.db")) as made:
        made.executescript(f"{SESSION}{MESSAGE}{PART}")
        for data in (7, 1e308, b"{}", None):
            made.execute("INSERT INTO message VALUES (1, 's', 1, ?)", [data])
            made.execute("INSERT INTO part VALUES ('p', 'm', 's', 1, ?)", [data])
        made.commit()
    opened = OpencodeQueries(tmp_path / "opencode.db", longest=1000)

    assert list(opened.messages("s")) == [("1", None)] * 4
    assert list(opened.parts("m")) == [None] * 4


def test_a_value_that_is_computed_takes_no_more_room_than_the_file(tmp_path: Path) -> None:
    computed = PART.replace("data", "data AS (zeroblob(900000000))")
    with contextlib.closing(sqlite3.connect(tmp_path / "opencode.db")) as made:
        made.executescript(f"{SESSION}{MESSAGE}{computed} INSERT INTO part VALUES ('p', 'm', 's', 1);")
    opened = OpencodeQueries(tmp_path / "opencode.db", longest=1000)

    with pytest.raises(OSError, match="too big"):
        list(opened.parts("m"))


def test_a_tree_of_which_every_branch_is_one_leaf_ends_the_question(tmp_path: Path) -> None:
    path = tmp_path / "opencode.db"
    with contextlib.closing(sqlite3.connect(path)) as made:
        made.executescript(f"PRAGMA page_size = {PAGE}; {SESSION}{MESSAGE}{PART}")
        made.execute("INSERT INTO session VALUES ('s', '', '', '', 1)")
        made.commit()
        (root,) = made.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'session'").fetchone()
    data = bytearray(path.read_bytes())
    last, leaf = len(data) // PAGE, data[(root - 1) * PAGE : root * PAGE]
    # Behind the leaf three pages of branches, each of which leads to the page before it alone.
    data += leaf + b"".join(_branches(to=last + number) for number in (1, 2, 3))
    data[(root - 1) * PAGE : root * PAGE] = _branches(to=last + 4)
    data[28:32] = (last + 4).to_bytes(4, "big")
    path.write_bytes(data)

    with pytest.raises(OSError, match="interrupted"):
        OpencodeQueries(path, longest=1000).sessions()


def test_an_answer_has_no_more_rows_than_the_file_can_hold(database: Path) -> None:
    opened = OpencodeQueries(database, longest=1000)

    with pytest.raises(OSError, match="more rows than it can hold"):
        list(opened._rows(f"{ENDLESS} SELECT x FROM n"))


def _branches(*, to: int) -> bytes:
    """An inner page of a table's tree (SQLite's file format, 1.6), full of branches."""
    count = (PAGE - 12) // 7
    begins = [PAGE - 5 * (number + 1) for number in range(count)]
    head = (
        bytes([5, 0, 0])
        + count.to_bytes(2, "big")
        + begins[-1].to_bytes(2, "big")
        + b"\0"
        + to.to_bytes(4, "big")
    )
    places = b"".join(begin.to_bytes(2, "big") for begin in begins)
    cells = (to.to_bytes(4, "big") + b"\1") * count
    return head + places + bytes(PAGE - len(head + places + cells)) + cells
