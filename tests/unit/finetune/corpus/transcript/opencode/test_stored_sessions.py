# SPDX-License-Identifier: Apache-2.0
"""One session in the three forms that opencode keeps."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from opencode_database import write_database

from node0.finetune.corpus.transcript.opencode.stored_sessions import (
    UNREADABLE,
    DatabaseSessions,
    ExportedSession,
    FileSessions,
    Sessions,
    StoredSession,
)

INFO = {"id": "s1", "directory": "/srv", "time": {"created": 5}, "revert": {"messageID": "m9"}}
MESSAGES: dict[str, Any] = {"m1": {"role": "user"}, "m2": {"role": "assistant"}}
PARTS: dict[str, list[Any]] = {
    "m1": [{"type": "text", "text": "Go."}, "torn"],
    "m2": [{"type": "step-start"}],
}


def as_database(folder: Path) -> Sessions:
    session = {"id": "s1", "parent_id": None, "directory": "/srv", "revert": json.dumps(INFO["revert"])}
    messages = [
        {"id": name, "session_id": "s1", "time_created": 1, "data": data} for name, data in MESSAGES.items()
    ]
    broken = {"id": "m3", "session_id": "s1", "time_created": 1, "data": "{"}
    parts = [
        {"id": f"{name}{place}", "message_id": name, "session_id": "s1", "time_updated": 1, "data": data}
        for name, found in PARTS.items()
        for place, data in enumerate(found)
    ]
    rows = {"session": [{**session, "time_created": 5}], "message": [*messages, broken], "part": parts}
    return DatabaseSessions(write_database(folder / "opencode.db", rows))


def as_files(folder: Path) -> Sessions:
    content: dict[str, Any] = {"session/p/s1": INFO, "session/p/broken": [], "message/s1/m3": "torn"}
    content |= {f"message/s1/{name}": data for name, data in MESSAGES.items()}
    content |= {
        f"part/{name}/{place}": data for name, found in PARTS.items() for place, data in enumerate(found)
    }
    for name, data in content.items():
        path = folder / "storage" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(data))
    return FileSessions(folder / "storage")


def as_export(folder: Path) -> Sessions:
    messages: list[Any] = [
        {"info": {"id": name, **data}, "parts": PARTS[name]} for name, data in MESSAGES.items()
    ]
    (folder / "export.json").write_text(json.dumps({"info": INFO, "messages": [*messages, "torn"]}))
    return ExportedSession(folder / "export.json")


FORMS = [as_database, as_files, as_export]


@pytest.mark.parametrize("form", FORMS)
def test_a_session_is_told_alike_in_every_form(form: Callable[[Path], Sessions], tmp_path: Path) -> None:
    assert form(tmp_path).sessions() == [StoredSession("s1", "", "/srv", 5, "m9")]


@pytest.mark.parametrize("form", FORMS)
def test_one_bad_record_never_stops_the_rest(form: Callable[[Path], Sessions], tmp_path: Path) -> None:
    skipped = Counter[str]()

    found = [(message["id"], list(parts)) for message, parts in form(tmp_path).messages("s1", skipped)]

    assert found == [("m1", [{"type": "text", "text": "Go."}]), ("m2", [{"type": "step-start"}])]
    assert skipped == {UNREADABLE: 2}


@pytest.mark.parametrize("form", FORMS)
def test_the_state_is_the_same_while_nothing_changes(
    form: Callable[[Path], Sessions], tmp_path: Path
) -> None:
    place = form(tmp_path)

    assert place.state(["s1"]) == place.state(["s1"])
    assert place.state(["s1"]).size > 20


@pytest.mark.parametrize("name", ["../message/s1", "", "..", "a/b"])
def test_a_name_that_points_elsewhere_holds_nothing(tmp_path: Path, name: str) -> None:
    assert list(as_files(tmp_path).messages(name, Counter())) == []


@pytest.mark.parametrize("content", [{}, {"info": {}, "messages": []}, {"info": INFO, "messages": {}}])
def test_another_file_is_no_export(tmp_path: Path, content: Any) -> None:
    (tmp_path / "x.json").write_text(json.dumps(content))

    with pytest.raises(ValueError, match="no export of opencode"):
        ExportedSession(tmp_path / "x.json")


def test_a_record_over_the_bound_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node0.finetune.corpus.transcript.opencode.stored_sessions.MAX_LINE", 25)
    for form in (as_database, as_files):
        skipped = Counter[str]()

        found = [list(parts) for _, parts in form(tmp_path).messages("s1", skipped)]

        assert found == [[], [{"type": "step-start"}]]
        assert skipped == {UNREADABLE: 3}
