# SPDX-License-Identifier: Apache-2.0
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from session_reading import read

from node0.finetune.corpus.transcript.session_lines import MENDED, LineLoader, json_objects

Make = Callable[..., Any]


def test_a_line_without_end_is_passed_over(
    harness: Make, blocks: dict[str, Make], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node0.finetune.corpus.transcript.session_lines.MAX_LINE", 4096)
    session = harness(log=False)
    session.prompt("Go.")
    session.answer(blocks["text"]("Gone."))
    session.lines.insert(1, {"type": "progress", "uuid": "p", "data": "x" * 20_000})

    rows, skipped = read(session.write(tmp_path / "s.jsonl"))

    assert skipped["line over 24 MB"] == 1
    assert len(rows[0].calls) == 1


def test_every_object_is_found_again_at_its_place(tmp_path: Path) -> None:
    values = [{"a": "größer 🏭"}, {"message": {"role": "user", "content": "b"}}]
    path = tmp_path / "s.jsonl"
    path.write_text("\n".join(json.dumps(value, ensure_ascii=False) for value in values))
    skipped: Counter[str] = Counter()

    found = list(json_objects(path, skipped))

    assert [value for _, value in found] == values
    with LineLoader(path) as loader:
        assert [loader.line(place) for place, _ in found] == values
        words = {"type": "text", "text": "b"}
        assert loader.message(found[1][0]) == {"role": "user", "content": [words]}
        assert loader.merged([found[1][0]] * 2)["content"] == [words, words]
    assert not skipped


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{\n", "not JSON"),
        ("{", "torn last line"),
        ("[1]\n", "not a JSON object"),
        ("null", "not a JSON object"),
    ],
)
def test_other_lines_are_counted_and_the_next_ones_read(tmp_path: Path, line: str, reason: str) -> None:
    path = tmp_path / "s.jsonl"
    path.write_text('{"a": 1}\n\n' + line)
    skipped: Counter[str] = Counter()

    found = [value for _, value in json_objects(path, skipped)]

    assert found == [{"a": 1}]
    assert skipped == {reason: 1}


VALUES = st.recursive(
    st.none() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.builds(lambda key, value: {"parentUuid": key, "message": value}, st.text(max_size=3), VALUES)


@given(lines=st.lists(st.lists(OBJECTS, min_size=1, max_size=4), min_size=1, max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_objects_that_share_a_line_are_all_read(tmp_path: Path, lines: list[list[dict[str, Any]]]) -> None:
    path = tmp_path / "s.jsonl"
    glued = ["".join(json.dumps(one, ensure_ascii=False) for one in line) for line in lines]
    path.write_text("\n".join(['{"parentUuid": 0}', *glued]) + "\n", encoding="utf-8")
    skipped: Counter[str] = Counter()

    found = list(json_objects(path, skipped))

    assert [value for _, value in found][1:] == [one for line in lines for one in line]
    assert skipped == Counter({MENDED: sum(len(line) > 1 for line in lines)}) - Counter()
    with LineLoader(path) as loader:
        assert [loader.line(place) for place, _ in found] == [value for _, value in found]


@given(torn=OBJECTS, whole=OBJECTS, at=st.integers(1, 400))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_written_behind_a_torn_object_is_read(
    tmp_path: Path, torn: dict[str, Any], whole: dict[str, Any], at: int
) -> None:
    path = tmp_path / "s.jsonl"
    raw = json.dumps(torn)
    half = raw[: min(at, len(raw) - 1)]
    path.write_text(f'{{"parentUuid": 0}}\n{half}{json.dumps(whole)}\n{{"parentUuid": 9}}\n')
    skipped: Counter[str] = Counter()

    found = [value for _, value in json_objects(path, skipped)]

    assert found[-2:] == [whole, {"parentUuid": 9}]
    assert skipped[MENDED] == skipped["torn object"] == 1
