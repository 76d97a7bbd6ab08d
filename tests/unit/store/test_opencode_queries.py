# SPDX-License-Identifier: Apache-2.0
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
