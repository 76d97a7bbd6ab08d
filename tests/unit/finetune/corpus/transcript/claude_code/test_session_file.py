# SPDX-License-Identifier: Apache-2.0
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from session_reading import read, requests

Make = Callable[..., Any]


@pytest.mark.parametrize(
    "line", [{"type": "novel", "uuid": "n1"}, {"type": "mode", "mode": "plan"}, {"type": "novel"}]
)
def test_other_lines_are_counted_and_change_nothing(busy: Any, tmp_path: Path, line: dict[str, Any]) -> None:
    busy.lines.insert(4, line)

    rows, skipped = read(busy.write(tmp_path / "s.jsonl"))

    assert requests(rows) == busy.sent
    assert skipped["mode line" if line["type"] == "mode" else "line of unknown type"] == 1


def test_lines_that_a_resumed_session_repeats_count_once(busy: Any, tmp_path: Path) -> None:
    busy.lines += [line for line in busy.lines if "uuid" in line][:5]

    rows, skipped = read(busy.write(tmp_path / "s.jsonl"))

    assert requests(rows) == busy.sent
    assert skipped["duplicated line"] == 5


def test_a_torn_last_line_loses_only_itself(busy: Any, tmp_path: Path) -> None:
    path = busy.write(tmp_path / "s.jsonl")
    path.write_bytes(path.read_bytes()[:-20])

    rows, skipped = read(path)

    assert requests(rows) == busy.sent[:-1]
    assert skipped["torn last line"] == 1
    assert skipped["request without an answer on the active path"] == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"\x00\xff\xfe" * 1000,
        b"[1, 2]\n3\nnull\n",
        b'{"type": "user"}\n{"type": "assistant", "uuid": 7, "message": []}\n',
        b'{"type": "user", "uuid": "a", "message": {"role": "user", "content": 7}}\n',
        b'{"type": "api-request", "id": "x", "keep": "y", "tail": 4}\n{"type": "api-request-blob"}\n',
        b'{"type": "attachment", "uuid": "a", "attachment": 3}\n',
        b"[" * 100_000,
    ],
    ids=[
        "empty",
        "blank",
        "binary",
        "no objects",
        "no message",
        "no content",
        "bad log",
        "bad attachment",
        "deep",
    ],
)
def test_a_file_of_rubbish_gives_counts_and_no_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "s.jsonl"
    path.write_bytes(content)

    rows, skipped = read(path)

    assert not any(row.calls for row in rows)
    assert sum(skipped.values()) > 0 or not content.strip()


def test_compaction_cuts_the_conversation(harness: Make, blocks: dict[str, Make], tmp_path: Path) -> None:
    for log in (True, False):
        session = harness(log=log)
        session.prompt("First.")
        session.answer(blocks["text"]("One."))
        session.compact("We had said one.")
        session.answer(blocks["text"]("Two."))

        rows, _ = read(session.write(tmp_path / "s.jsonl"))

        assert [len(row.messages) for row in rows] == [2, 2]
        assert [sent[0] for sent in requests(rows)] == [sent[0] for sent in session.sent]
