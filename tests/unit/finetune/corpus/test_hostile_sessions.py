# SPDX-License-Identifier: Apache-2.0
"""What a session or a disk can do to a collection: it costs that session, never the others."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from collected_town import Place

Make = Callable[..., Any]


@pytest.mark.parametrize("depth", [200, 300, 900, 5000])
def test_a_call_nested_too_deeply_costs_its_answer_and_what_follows_it_and_nothing_else(
    place: Place, blocks: dict[str, Make], depth: int
) -> None:
    place.begin("s1", "deacon")
    place.begin("s2", "deacon")
    deep = blocks["call"]("t2", "ls")
    deep["input"] = json.loads('{"a":' * min(depth, 900) + "1" + "}" * min(depth, 900))
    session = place.sessions["s1"]
    session.line("assistant", message={"id": "m9", "role": "assistant", "content": [deep]})
    session.user(blocks["result"]("t2", "ok"))
    session.answer(blocks["text"]("Behind it."))
    place.write("s1")
    if depth > 900:
        text = place.path("s1").read_text().replace('{"a":' * 899, '{"a":' * (depth - 1))
        place.path("s1").write_text(text.replace("}" * 899, "}" * (depth - 1)))

    report = place.collect()

    entries = place.store.list()
    assert len(entries) == report.entries["new"] == 2
    assert [len(one.requests) for one in entries] == [2, 2]
    assert "Behind it." not in str(entries)
    assert sum(report.skipped.values()) > 0


def test_pipes_and_links_beside_a_session_are_not_read(place: Place, tmp_path: Path) -> None:
    place.begin("s1", "deacon")
    beside = place.path("s1").with_suffix("") / "subagents"
    beside.mkdir(parents=True)
    os.mkfifo(beside / "agent-1.jsonl")
    place.begin("other", "deacon").write(tmp_path / "elsewhere.jsonl")
    (beside / "agent-2.jsonl").symlink_to(tmp_path / "elsewhere.jsonl")
    (beside / "agent-3.jsonl").symlink_to("/dev/zero")

    report = place.collect()

    assert report.entries == {"new": 2}
    assert report.sessions == 2


def test_a_session_file_that_was_overwritten_with_something_else_keeps_its_entries(place: Place) -> None:
    place.begin("s1", "deacon")
    place.collect()
    size = place.path("s1").stat().st_size

    for content in (b"\x00" * (size + 1), b"not a session\n" * size, b'{"type": "user"}\n' * size):
        place.path("s1").write_bytes(content)
        report = place.collect()

        assert len(place.store.list()) == 1
        assert report.skipped["session of which nothing can be read any more: older entries kept"] == 1


def test_a_file_in_the_corpus_that_is_no_entry_stops_no_collection(place: Place) -> None:
    place.begin("s1", "deacon")
    (place.store.root / "deacon").mkdir(parents=True)
    (place.store.root / "deacon" / "junk.json").write_text("{")

    assert place.collect().entries == {"new": 1}
    assert place.collect().skipped == {"session that has not changed": 1}
