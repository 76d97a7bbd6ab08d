# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path
from typing import Any

import pytest
from session_reading import digest

from node0.finetune.corpus.transcript.claude_code.session_index import (
    SessionIndex,
    index_session,
    snapshot_shape,
)
from node0.finetune.corpus.transcript.session_lines import LineLoader

USER = {"type": "user", "uuid": "a", "message": {"role": "user", "content": "Go."}, "sessionId": "s"}
CALL = {"type": "tool_use", "id": "t1", "name": "Bash", "input": {}}
ANSWER = {
    "type": "assistant",
    "uuid": "b",
    "parentUuid": "a",
    "timestamp": "2026-01-05T06:00:00Z",
    "requestRef": "r1",
    "message": {"id": "m1", "role": "assistant", "content": [CALL]},
}


def indexed(path: Path, *lines: dict[str, Any]) -> SessionIndex:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return index_session(path)


def test_a_line_is_known_by_its_place_and_not_by_its_content(tmp_path: Path) -> None:
    index = indexed(tmp_path / "s", USER, ANSWER)

    user, answer = index.lines.values()
    assert (user.kind, user.parent, user.message_id) == ("user", None, "")
    assert (answer.kind, answer.parent, answer.at) == ("assistant", "a", "2026-01-05T06:00:00Z")
    assert (answer.message_id, answer.request, answer.tool_ids) == ("m1", "r1", ("t1",))
    with LineLoader(tmp_path / "s") as loader:
        assert loader.line(answer.place) == ANSWER
    assert "Go." not in repr(index)


def test_what_the_file_says_of_its_session_is_known(tmp_path: Path) -> None:
    later = {**USER, "uuid": "c", "sessionId": "other", "cwd": "/srv/b", "version": "2"}

    index = indexed(tmp_path / "s", {**USER, "cwd": "/srv/a", "version": "1"}, later)

    assert (index.session_id, index.cwd, index.version) == ("s", "/srv/a", "2")


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({"type": "system", "subtype": "compact_boundary"}, "boundary"),
        ({"type": "assistant", "message": ANSWER["message"], "isApiErrorMessage": True}, "error"),
        ({"type": "attachment", "attachment": {"type": "prompt_snapshot"}}, "snapshot"),
        ({"type": "attachment", "attachment": {"type": "hook"}}, "attachment"),
        ({"type": "progress"}, "other"),
        ({"type": "of tomorrow"}, "other"),
    ],
)
def test_each_line_has_its_kind(tmp_path: Path, values: dict[str, Any], kind: str) -> None:
    index = indexed(tmp_path / "s", {"uuid": "x", **values})

    assert index.lines["x"].kind == kind


def test_a_compaction_goes_on_from_its_logical_parent(tmp_path: Path) -> None:
    cut = {"type": "system", "subtype": "compact_boundary", "uuid": "x", "parentUuid": None}

    index = indexed(tmp_path / "s", {**cut, "logicalParentUuid": "a"})

    assert index.lines["x"].parent == "a"


def test_the_log_is_kept_where_its_hashes_are_right(tmp_path: Path) -> None:
    shape = {"system": [{"type": "text", "text": "Be brief."}], "tools": [{"name": "Bash"}]}
    message = {"role": "system", "content": [{"type": "text", "text": "Today."}]}

    index = indexed(
        tmp_path / "s",
        USER,
        {"type": "api-request-shape", "shapeHash": digest(shape), "shape": shape},
        {"type": "api-request-shape", "shapeHash": "0" * 64, "shape": shape},
        {"type": "api-request-blob", "hash": digest(message), "message": message},
        {"type": "api-request-blob", "hash": "0" * 64, "message": message},
        {"type": "api-request", "id": "r1", "shapeHash": digest(shape), "keep": 0, "tail": ["h"]},
        {"type": "api-request", "id": "r1", "shapeHash": "", "keep": 9, "tail": []},
    )

    (kept,) = index.shapes.values()
    assert (kept.system, kept.tools) == (("Be brief.",), ({"name": "Bash"},))
    assert list(index.blobs) == [digest(message)]
    (call,) = index.calls.values()
    assert (call.id, call.keep, call.tail, call.line) == ("r1", 0, ("h",), 1)
    assert index.skipped == {"request shape with a wrong hash": 1, "request message with a wrong hash": 1}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ({**USER, "uuid": None}, "turn without a uuid"),
        (USER, "duplicated line"),
        ({"type": "user", "uuid": "x", "message": {"role": "user", "content": 7}}, "malformed line"),
        ({"type": "user", "uuid": "x", "message": {}}, "malformed line"),
        (
            {"type": "assistant", "uuid": "x", "message": {"role": ["assistant"], "content": ""}},
            "malformed line",
        ),
        ({"type": "api-request", "id": "x", "keep": "y", "tail": 4}, "malformed line"),
        ({"type": "api-request", "id": "x", "keep": float("inf"), "tail": []}, "malformed line"),
        ({"type": "summary"}, "summary line"),
        ({"type": "of tomorrow"}, "line of unknown type"),
    ],
)
def test_what_is_not_used_is_counted(tmp_path: Path, line: dict[str, Any], reason: str) -> None:
    index = indexed(tmp_path / "s", USER, line)

    assert list(index.lines) == ["a"]
    assert +index.skipped == {reason: 1}


def test_a_snapshot_of_one_text_and_no_tools_has_a_shape() -> None:
    assert snapshot_shape({"systemPrompt": "One."}).system == ("One.",)
    assert snapshot_shape({}).tools == ()
