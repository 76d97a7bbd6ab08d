# SPDX-License-Identifier: Apache-2.0
import hashlib

import pytest

from node0.errors import BadCheckpoint
from node0.finetune.training.output.files import read_json_lines, sha256_of, write_directory, write_json_lines


def test_lines_come_back_without_one_that_a_crash_cut(tmp_path):
    path = tmp_path / "lines.jsonl"
    write_json_lines(path, [{"a": 1}, {"b": "ü"}])
    with path.open("a") as file:
        file.write('{"c"')

    assert read_json_lines(path) == [{"a": 1}, {"b": "ü"}]
    assert read_json_lines(tmp_path / "none") == []


@pytest.mark.parametrize("line", [b"{", b"[]", b"\xff\xfe"])
def test_a_whole_line_that_is_no_object_is_named(tmp_path, line):
    (tmp_path / "lines.jsonl").write_bytes(b'{"a": 1}\n' + line + b"\n")

    with pytest.raises(BadCheckpoint, match=r"lines.jsonl, line 2 is no JSON object; take the line out"):
        read_json_lines(tmp_path / "lines.jsonl")


def test_a_directory_that_fails_half_way_leaves_the_old_one(tmp_path):
    write_directory(tmp_path / "d", lambda path: (path / "f").write_text("old") and None)

    def fail(path):
        (path / "f").write_text("new")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_directory(tmp_path / "d", fail)
    assert (tmp_path / "d" / "f").read_text() == "old"


def test_the_digest_of_a_file_is_that_of_its_bytes(tmp_path):
    (tmp_path / "f").write_bytes(b"x" * 3_000_000)

    assert sha256_of(tmp_path / "f") == hashlib.sha256(b"x" * 3_000_000).hexdigest()
