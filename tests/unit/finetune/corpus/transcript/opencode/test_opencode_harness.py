# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path
from typing import Any

import pytest
from harness_fixtures import FIXTURES, laid_down
from opencode_database import write_database

from node0.finetune.corpus.transcript.opencode.opencode_harness import Opencode
from node0.finetune.corpus.transcript.recording import Beginning

DATA: dict[str, Any] = {
    "m1": {"role": "user", "time": {"created": 1}},
    "m2": {"role": "assistant", "time": {"created": 2}},
}
SAID = {
    "m1": [{"type": "text", "text": "Go."}],
    "m2": [{"type": "text", "text": "Done."}, {"type": "step-finish", "reason": "stop"}],
}


def rows(*sessions: tuple[str, str | None]) -> dict[str, list[dict[str, Any]]]:
    """Sessions of one question and one answer each, and what began them."""
    found: dict[str, list[dict[str, Any]]] = {"session": [], "message": [], "part": []}
    for at, (name, parent) in enumerate(sessions):
        session = {"id": name, "parent_id": parent, "directory": "/srv", "revert": None, "time_created": at}
        found["session"].append(session)
        for message, data in DATA.items():
            mid = f"{name}-{message}"
            found["message"].append({"id": mid, "session_id": name, "time_created": at, "data": data})
            for place, part in enumerate(SAID[message]):
                ids = {"id": f"{mid}-{place}", "message_id": mid, "session_id": name, "time_updated": 1}
                found["part"].append({**ids, "data": part})
    return found


def test_a_session_is_read_with_those_that_its_subagents_began(tmp_path: Path) -> None:
    families = (("s1", None), ("a1", "s1"), ("a2", "a1"), ("s2", None), ("lost", "gone"))
    write_database(tmp_path / "opencode.db", rows(*families))

    found = Opencode().recordings([tmp_path])

    assert sorted(found) == ["lost", "s1", "s2"]
    agents = [row.agent for reader in found["s1"].readers() for row in reader.trajectories()]
    assert agents == ["", "a1", "a2"]


def test_sessions_that_began_each_other_end_the_search(tmp_path: Path) -> None:
    write_database(tmp_path / "opencode.db", rows(("s1", "s2"), ("s2", "s1")))

    assert Opencode().recordings([tmp_path]) == {}


def test_a_recording_tells_where_and_when_it_began(tmp_path: Path) -> None:
    (found,) = Opencode().recordings([laid_down("opencode", "works", tmp_path)]).values()

    beginning = found.beginning()

    assert beginning == Beginning("/srv/gt/demo/witness", beginning.at)
    assert beginning.at.endswith("+00:00")


def test_an_export_is_a_recording_and_so_is_the_only_session_of_a_database(tmp_path: Path) -> None:
    database = laid_down("opencode", "works", tmp_path) / "opencode.db"
    kept = json.loads((FIXTURES / "opencode" / "works.json").read_text("utf-8"))
    parts: dict[str, list[Any]] = {}
    for part in kept["part"]:
        parts.setdefault(part["message_id"], []).append(part["data"])
    (session,) = kept["session"]
    messages = [
        {"info": {"id": row["id"], **row["data"]}, "parts": parts.get(row["id"], [])}
        for row in kept["message"]
    ]
    export = tmp_path / "export.json"
    export.write_text(json.dumps({"info": {"id": session["id"]}, "messages": messages}))

    read = [Opencode().recording(path) for path in (database, export)]

    rows_of = [[row for reader in one.readers() for row in reader.trajectories()] for one in read if one]
    assert len(rows_of) == 2
    assert rows_of[0] == rows_of[1]


@pytest.mark.parametrize("name", ["opencode.db", "s1.jsonl"])
def test_a_file_of_others_is_no_recording(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("{}\n{}\n")

    assert Opencode().recording(tmp_path / name) is None


def test_a_database_of_several_sessions_is_no_recording(tmp_path: Path) -> None:
    path = write_database(tmp_path / "opencode.db", rows(("s1", None), ("s2", None)))

    assert Opencode().recording(path) is None


def test_a_damaged_database_keeps_nothing_else_from_being_found(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "opencode.db").write_text("torn" * 999)
    write_database(tmp_path / "whole" / "opencode.db", rows(("s1", None)))

    assert list(Opencode().recordings([tmp_path / "broken", tmp_path / "whole"])) == ["s1"]
