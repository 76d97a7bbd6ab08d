# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from node0.documents.json_document import MAX_DEPTH, depth_exceeds, object_of, read_object


def test_an_object_comes_back(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"a": [1, {"b": null}]}')

    assert read_object(tmp_path / "x.json") == {"a": [1, {"b": None}]}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe{}", "not JSON"),
        (b"9" * 5000, "not JSON"),
        (b"[]", "not a JSON object"),
        (b"null", "no JSON object"),
        (b'{"a": ' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1), "nests more than 100 deep"),
        (b'{"a": ' * 500_000 + b"1" + b"}" * 500_000, "nests more than 100 deep"),
        (b"[" * 5_000_000, "nests more than 100 deep"),
    ],
)
def test_what_is_no_plain_object_is_refused_with_a_reason(text: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        object_of(text)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"a": 1}')

    with pytest.raises(ValueError, match="8 bytes, at most 7"):
        read_object(tmp_path / "x.json", max_bytes=7)


@pytest.mark.parametrize("depth", [1, 5, 100])
def test_depth_is_of_objects_and_lists_inside_each_other(depth: int) -> None:
    lists = json.loads("[" * depth + "]" * depth)
    objects = json.loads('{"a": 1, "b": ' * depth + "[]" + "}" * depth)

    assert not depth_exceeds({"x": [1, 2], "y": "[[[["}, 2)
    assert depth_exceeds(lists, depth - 1)
    assert not depth_exceeds(lists, depth)
    assert depth_exceeds(objects, depth)
    assert not depth_exceeds(objects, depth + 1)
