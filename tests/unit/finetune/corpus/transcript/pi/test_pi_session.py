# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path
from typing import Any

import pytest
from harness_fixtures import FIXTURES
from harness_requests import messages_records

from node0.finetune.corpus.transcript.pi.pi_session import PiHead, PiSession, pi_head
from node0.finetune.corpus.transcript.turns import NO_BEGINNING, REPEATED, REWOUND

HEAD = {"type": "session", "version": 3, "id": "s1", "timestamp": "2026-01-05T06:00:00Z", "cwd": "/srv"}


def said(name: str, parent: str | None, role: str, words: str) -> dict[str, Any]:
    message = {"role": role, "content": [{"type": "text", "text": words}], "stopReason": "stop"}
    return {"type": "message", "id": name, "parentId": parent, "message": message}


def session(path: Path, *lines: Any) -> PiSession:
    texts = [value if isinstance(value, str) else json.dumps(value) for value in lines]
    path.write_text("\n".join(texts) + "\n")
    return PiSession(path)


def told(read: PiSession) -> list[list[str]]:
    """For each context the number of answers learnt, and all words."""
    return [
        [str(len(row.calls)), *(record[1] for record in messages_records(row.messages))]
        for row in read.trajectories()
    ]


def test_what_the_model_met_is_the_path_from_the_last_entry_to_the_root(tmp_path: Path) -> None:
    read = session(
        tmp_path / "s.jsonl",
        *(HEAD, said("a", None, "user", "Go."), said("b", "a", "assistant", "One.")),
        *(said("c", "b", "user", "Wrong."), said("d", "c", "assistant", "Bad.")),
        *({"type": "label", "id": "l", "parentId": "b"}, said("e", "l", "user", "Right.")),
        said("f", "e", "assistant", "Two."),
    )

    assert told(read) == [["2", "Go.", "One.", "Right.", "Two."]]
    assert (read.session_id, read.skipped) == ("s1", {REWOUND: 2})


def test_entries_of_version_1_are_read_in_their_order(tmp_path: Path) -> None:
    lines = [said("", None, "user", "Go."), said("", None, "assistant", "One.")]
    for line in lines:
        del line["id"], line["parentId"]

    assert told(session(tmp_path / "s.jsonl", HEAD, *lines)) == [["1", "Go.", "One."]]


def test_a_compaction_begins_a_context_with_its_summary_and_what_it_kept(tmp_path: Path) -> None:
    read = session(
        tmp_path / "s.jsonl",
        *(HEAD, said("a", None, "user", "Go."), said("b", "a", "assistant", "One.")),
        *(said("c", "b", "user", "On."), said("d", "c", "assistant", "Two.")),
        {"type": "compaction", "id": "x", "parentId": "d", "summary": "All.", "firstKeptEntryId": "c"},
        *(said("e", "x", "user", "Then."), said("f", "e", "assistant", "Three.")),
    )

    summary = "<summary>\nAll.\n</summary>"
    assert told(read) == [
        ["2", "Go.", "One.", "On.", "Two."],
        ["1", summary, "On.", "Two.", "Then.", "Three."],
    ]
    assert read.skipped == {REPEATED: 1}


def test_behind_an_entry_that_is_lost_no_answer_is_learnt(tmp_path: Path) -> None:
    read = session(
        tmp_path / "s.jsonl",
        *(HEAD, said("a", None, "user", "Go."), said("b", "a", "assistant", "One.")),
        json.dumps(said("c", "b", "user", "lost"))[:50],
        said("d", "c", "assistant", "Two."),
    )

    assert told(read) == [["1", "Go.", "One."]]
    assert read.skipped == {"not JSON": 1, NO_BEGINNING: 1}


def test_entries_that_are_each_others_parents_end_the_search(tmp_path: Path) -> None:
    lines = [said("a", "b", "user", "Go."), said("b", "a", "assistant", "One.")]

    assert told(session(tmp_path / "s.jsonl", HEAD, *lines)) == [["1", "Go.", "One."]]


@pytest.mark.parametrize("content", ["", "{}\n", '{"type":"session","id":"x"}\n', '{"type":"user"}\n'])
def test_another_file_is_no_session(tmp_path: Path, content: str) -> None:
    (tmp_path / "s.jsonl").write_text(content)

    assert pi_head(tmp_path / "s.jsonl") is None
    assert told(PiSession(tmp_path / "s.jsonl")) == []


def test_a_session_says_what_it_is() -> None:
    head = pi_head(FIXTURES / "pi" / "works.jsonl")

    assert head == PiHead(head.session_id if head else "", head.at if head else "", "/srv/gt/demo/witness")


@pytest.mark.parametrize("name", ["works", "cut_tool", "compacted"])
def test_each_line_may_be_torn_and_what_is_whole_is_learnt(name: str, tmp_path: Path) -> None:
    lines = (FIXTURES / "pi" / f"{name}.jsonl").read_text("utf-8").splitlines()
    whole = [
        row.messages[: call.n_messages]
        for row in PiSession(FIXTURES / "pi" / f"{name}.jsonl").trajectories()
        for call in row.calls
    ]

    for number in range(1, len(lines)):
        torn = [*lines[:number], lines[number][: len(lines[number]) // 2], *lines[number + 1 :]]
        read = session(tmp_path / "torn.jsonl", *torn)

        found = [row.messages[: call.n_messages] for row in read.trajectories() for call in row.calls]
        assert [request for request in found if request not in whole] == []


def test_a_compaction_that_keeps_more_than_the_bound_teaches_nothing_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node0.finetune.corpus.transcript.pi.pi_session.MOST_KEPT", 2)
    read = session(
        tmp_path / "s.jsonl",
        *(HEAD, said("a", None, "user", "Go."), said("b", "a", "assistant", "One.")),
        {"type": "compaction", "id": "x", "parentId": "b", "summary": "All.", "firstKeptEntryId": "a"},
        *(said("e", "x", "user", "Then."), said("f", "e", "assistant", "Two.")),
    )

    assert told(read) == [["1", "Go.", "One."]]
