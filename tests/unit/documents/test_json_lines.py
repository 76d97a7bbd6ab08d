# SPDX-License-Identifier: Apache-2.0
from collections import Counter
from pathlib import Path

import pytest

from node0.documents.json_lines import (
    NO_OBJECT,
    NOT_JSON,
    TORN,
    parse_object,
    read_json_lines,
    require_json_lines,
    write_json_lines,
)
from node0.errors import BadCheckpoint


def test_lines_come_back_without_one_that_a_crash_cut(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    write_json_lines(path, [{"a": 1}, {"b": "ü"}])
    with path.open("a") as file:
        file.write('{"c"')

    assert require_json_lines(path) == [{"a": 1}, {"b": "ü"}]
    assert require_json_lines(tmp_path / "none") == []


@pytest.mark.parametrize("line", [b"{", b"[]", b"\xff\xfe"])
def test_a_whole_line_that_is_no_object_is_named(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "lines.jsonl").write_bytes(b'{"a": 1}\n' + line + b"\n")

    with pytest.raises(BadCheckpoint, match=r"lines.jsonl, line 2 is no JSON object; take the line out"):
        require_json_lines(tmp_path / "lines.jsonl")


def test_what_cannot_be_read_is_counted_by_reason_and_the_rest_is_given(tmp_path: Path) -> None:
    path, skipped = tmp_path / "lines.jsonl", Counter[str]()
    path.write_bytes(b'{"a": 1}\n\n{\n[]\n\xff\n{"b": 2}\n' + b"[" * 100_000 + b'\n{"c')

    assert list(read_json_lines(path, skipped)) == [{"a": 1}, {"b": 2}]

    assert skipped == {NOT_JSON: 3, NO_OBJECT: 1, TORN: 1}
    assert list(read_json_lines(tmp_path / "none", skipped)) == []


def test_a_last_line_that_only_lacks_its_end_is_whole(tmp_path: Path) -> None:
    (tmp_path / "lines.jsonl").write_text('{"a": 1}\n{"b": 2}')

    assert require_json_lines(tmp_path / "lines.jsonl") == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize("line", ['{"a": 1}\n', b'{"a": 1}\n'])
def test_text_and_bytes_are_parsed_alike(line: str | bytes) -> None:
    assert parse_object(line) == {"a": 1}
    assert parse_object(line[1:]) == NOT_JSON
    assert parse_object(line[:-3]) == TORN
