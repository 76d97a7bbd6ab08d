# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from node0.errors import BadCorpus, NotFound
from node0.finetune.corpus.exchange.curated import read_curated

TURNS = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]
GOOD = {"role": "mayor", "messages": TURNS}


def test_lines_lists_and_objects_are_read(tmp_path: Path) -> None:
    for text in (json.dumps(GOOD), json.dumps([GOOD]), json.dumps(GOOD) + "\n\n" + json.dumps(GOOD)):
        (tmp_path / "x").write_text(text)

        entries = list(read_curated(tmp_path / "x"))

        assert {entry.role for entry in entries} == {"mayor"}
        assert {(entry.source, entry.outcome) for entry in entries} == {("curated", "curated")}
        assert len({entry.id for entry in entries}) == 1


def test_pairs_are_read_and_a_role_can_be_given(tmp_path: Path) -> None:
    pair = {"chosen": TURNS, "rejected": TURNS[:1], "id": "mine"}
    (tmp_path / "x").write_text(json.dumps(pair))

    (entry,) = read_curated(tmp_path / "x", role="polecat")

    assert (entry.id, entry.role, entry.chosen) == ("mine", "polecat", TURNS)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"role": "mayor"}, "neither messages"),
        ({"messages": TURNS}, "names no role"),
        ({**GOOD, "colour": 1}, "colour"),
        ({**GOOD, "messages": [{"role": "robot", "content": "x"}]}, r"messages\[0\]: its role is 'robot'"),
        ({**GOOD, "messages": [{"role": "user", "content": 4}]}, r"messages\[0\]: it has no content"),
        ({**GOOD, "messages": [{"role": "user", "content": [1]}]}, "a block has the type None"),
        ({**GOOD, "messages": [*TURNS, {"role": "user", "content": [{"type": "text"}]}]}, "has no text"),
        ({**GOOD, "messages": []}, "it has no turns"),
        ([3], "example 1"),
        (7, "example 1"),
    ],
)
def test_a_bad_example_is_named(tmp_path: Path, value: object, words: str) -> None:
    (tmp_path / "x").write_text(json.dumps(value))

    with pytest.raises(BadCorpus, match=words):
        list(read_curated(tmp_path / "x"))


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "x").write_text(json.dumps(GOOD) + "\n{\n")

    with pytest.raises(BadCorpus, match="line 2"):
        list(read_curated(tmp_path / "x"))
    with pytest.raises(NotFound, match="gone"):
        list(read_curated(tmp_path / "gone"))


@pytest.mark.parametrize(
    "text", ["[" * 200_000, '{"a":' * 50_000, "[" * 200 + "]" * 200, '{"messages": [' + "[" * 9999]
)
def test_an_example_that_nests_without_end_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.jsonl").write_text(text)

    with pytest.raises(BadCorpus, match=r"line 1 cannot be read|example 1"):
        list(read_curated(tmp_path / "x.jsonl"))


def test_half_a_pair_of_utf_16_in_an_example_is_replaced(tmp_path: Path) -> None:
    line = '{"messages": [{"role": "user", "content": "a\\ud800"}, {"role": "assistant", "content": "b"}]}'
    (tmp_path / "x.jsonl").write_text(f"{line}\n{line}\n")

    found = list(read_curated(tmp_path / "x.jsonl", role="deacon"))

    assert [entry.messages[0]["content"] for entry in found] == ["a\ufffd"] * 2
