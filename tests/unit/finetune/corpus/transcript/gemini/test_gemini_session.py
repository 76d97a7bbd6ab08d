# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path
from typing import Any

import pytest
from harness_fixtures import FIXTURES, laid_down
from harness_requests import messages_records

from node0.finetune.corpus.transcript.gemini.gemini_records import MAYBE_CUT
from node0.finetune.corpus.transcript.gemini.gemini_session import UNREADABLE, GeminiSession, gemini_head
from node0.finetune.corpus.transcript.turns import REPEATED, REWOUND

HEAD = {"sessionId": "s1", "projectHash": "00", "startTime": "2026-01-05T06:00:00Z", "kind": "main"}


def said(name: str, kind: str, words: str) -> dict[str, Any]:
    return {"id": name, "type": kind, "content": words, "timestamp": "2026-01-05T06:00:01Z"}


def session(path: Path, *lines: Any) -> GeminiSession:
    texts = [value if isinstance(value, str) else json.dumps(value) for value in lines]
    path.write_text("\n".join(texts) + "\n")
    return GeminiSession(path)


def told(read: GeminiSession) -> list[list[str]]:
    """For each context the number of answers learnt, and all words."""
    return [
        [str(len(row.calls)), *(record[1] for record in messages_records(row.messages))]
        for row in read.trajectories()
    ]


def test_a_record_of_the_same_id_takes_the_place_of_the_older_one(tmp_path: Path) -> None:
    read = session(
        tmp_path / "s.jsonl",
        *(HEAD, said("u", "user", "Go."), said("g", "gemini", "I"), said("g", "gemini", "I am done.")),
        {"$set": {"lastUpdated": "x"}},
        *(said("w", "warning", "careful"), said("v", "user", "On."), said("h", "gemini", "Two.")),
    )

    assert told(read) == [["1", "Go.", "I am done.", "On.", "Two."]]


def test_a_resume_repeats_what_was_before_and_learns_it_once(tmp_path: Path) -> None:
    again = [said("u", "user", "Go."), said("g", "gemini", "One."), said("t", "user", "Thanks.")]
    read = session(
        tmp_path / "s.jsonl",
        *(HEAD, *again, HEAD, {"$set": {"messages": again}}),
        *(said("v", "user", "On."), said("h", "gemini", "Two."), said("w", "user", "Fine.")),
    )

    words = ["Go.", "One.", "Thanks."]
    assert told(read) == [["1", *words], ["1", *words, "On.", "Two.", "Fine."]]
    assert read.skipped == {REPEATED: 1}


@pytest.mark.parametrize("goes_on", [[], [HEAD], [HEAD, said("x", "user", "On.")]])
def test_words_at_the_end_of_a_run_are_context_only(tmp_path: Path, goes_on: list[Any]) -> None:
    """The program was stopped in a tool, perhaps: a call is written down when it has ended."""
    first = [said("u", "user", "Go."), said("g", "gemini", "One."), said("v", "user", "Wait.")]
    read = session(tmp_path / "s.jsonl", HEAD, *first, said("h", "gemini", "I wait."), *goes_on)

    (context,) = read.trajectories()

    assert [context.messages[call.n_messages]["content"][0]["text"] for call in context.calls] == ["One."]
    assert read.skipped == {MAYBE_CUT: 1}


def test_an_answer_at_the_end_of_a_run_whose_call_has_ended_is_whole(tmp_path: Path) -> None:
    result = {"functionResponse": {"id": "ls__1", "name": "ls", "response": {"output": "a"}}}
    call = {"id": "ls__1", "name": "ls", "args": {}, "result": [result]}
    read = session(
        tmp_path / "s.jsonl",
        *(HEAD, said("u", "user", "Go."), {**said("g", "gemini", "I look."), "toolCalls": [call]}),
    )

    assert sum(len(context.calls) for context in read.trajectories()) == 1


@pytest.mark.parametrize(
    ("name", "left", "gone"), [("v", ["Go.", "One."], 2), ("nowhere", ["Go.", "One.", "Bad", "No."], 0)]
)
def test_what_was_rewound_is_gone(tmp_path: Path, name: str, left: list[str], gone: int) -> None:
    read = session(
        tmp_path / "s.jsonl",
        *(HEAD, said("u", "user", "Go."), said("g", "gemini", "One.")),
        *(said("v", "user", "Bad"), said("h", "gemini", "No."), {"$rewindTo": name}),
        *(said("w", "user", "Good"), said("i", "gemini", "Yes.")),
    )

    assert [told(read)[0][1:], read.skipped[REWOUND]] == [[*left, "Good", "Yes."], gone]


def test_a_rewind_may_reach_into_what_a_resume_set(tmp_path: Path) -> None:
    base = [said("u", "user", "Go."), said("g", "gemini", "One."), said("v", "user", "Bad")]
    read = session(
        tmp_path / "s.jsonl",
        *(HEAD, {"$set": {"messages": base}}, said("h", "gemini", "No."), {"$rewindTo": "v"}),
        *(said("w", "user", "Good"), said("i", "gemini", "Yes."), said("x", "user", "Fine.")),
    )

    assert told(read) == [["1", "Go.", "One.", "Good", "Yes.", "Fine."]]


def test_an_old_session_is_one_object(tmp_path: Path) -> None:
    asked = [said("u", "user", "Go."), said("g", "gemini", "One."), said("v", "user", "On.")]
    records = [*asked, said("h", "gemini", "Two."), "torn"]
    (tmp_path / "s.json").write_text(json.dumps({**HEAD, "messages": records}))

    assert told(GeminiSession(tmp_path / "s.json")) == [["1", "Go.", "One.", "On.", "Two."]]


def test_an_old_session_that_is_torn_is_counted(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(json.dumps({**HEAD, "messages": []})[:40])
    read = GeminiSession(tmp_path / "s.json")

    assert (told(read), read.skipped) == ([], {UNREADABLE: 1})


@pytest.mark.parametrize("name", ["s.json", "s.jsonl"])
@pytest.mark.parametrize(
    "content", ["", "{}\n", "[]", '{"sessionId": "x"}', '{"sessionId": 3, "startTime": 1, "projectHash": 1}']
)
def test_another_file_is_no_session(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)

    assert gemini_head(tmp_path / name) is None


def test_the_project_stands_beside_the_sessions(tmp_path: Path) -> None:
    (path,) = (laid_down("gemini", "works", tmp_path) / "tmp" / "rig" / "chats").iterdir()

    head = gemini_head(path)

    assert head is not None
    assert head.cwd == "/srv/gt/demo/witness"
    (path.parent.parent / ".project_root").unlink()
    assert gemini_head(path) == head._replace(cwd="")


@pytest.mark.parametrize("name", ["works", "cut_tool"])
def test_each_line_may_be_torn_and_the_rest_is_read(name: str, tmp_path: Path) -> None:
    lines = (FIXTURES / "gemini" / f"{name}.jsonl").read_text("utf-8").splitlines()
    whole = sum(len(row.calls) for row in session(tmp_path / "whole.jsonl", *lines).trajectories())

    for number in range(1, len(lines)):
        torn = [*lines[:number], lines[number][: len(lines[number]) // 2], *lines[number + 1 :]]
        calls = sum(len(row.calls) for row in session(tmp_path / "torn.jsonl", *torn).trajectories())

        assert (0 if name == "cut_tool" else 1) <= calls <= whole
