# SPDX-License-Identifier: Apache-2.0
from collections import Counter
from typing import Any

import pytest

from node0.finetune.corpus.transcript.opencode.message_parts import (
    INTERRUPTED,
    REWRITTEN,
    SO_FAR,
    iso_time,
    steps_of,
    until_reverted,
)
from node0.finetune.corpus.transcript.turns import REWOUND, SUMMARY, NewContext, Turn

USER = {"id": "m1", "role": "user", "time": {"created": 1000}}
ANSWER = {"id": "m2", "role": "assistant", "time": {"created": 2000}}


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


def tool(name: str = "bash", **state: Any) -> dict[str, Any]:
    return {"type": "tool", "tool": name, "callID": "c1", "state": state}


def finish(reason: str = "stop") -> dict[str, Any]:
    return {"type": "step-finish", "reason": reason}


def turns(message: dict[str, Any], *parts: dict[str, Any]) -> list[Turn]:
    return [step for step in steps_of([(message, parts)]) if isinstance(step, Turn)]


def test_words_of_a_user_and_files_that_are_no_text() -> None:
    parts = (text("Look."), text("hidden", ignored=True), {"type": "file", "mime": "image/png"})

    (turn,) = turns(USER, *parts, {"type": "file", "mime": "text/plain"}, {"type": "agent"})

    assert turn.content == [text("Look."), {"type": "image"}]
    assert (turn.role, turn.at, turn.name) == ("user", "1970-01-01T00:00:01.000+00:00", "m1")


def test_an_answer_names_the_model_that_was_asked() -> None:
    (answer,) = turns(ANSWER | {"modelID": "deacon@canary-1"}, text("Done."), finish())

    assert answer.model == "deacon@canary-1"


def test_an_answer_and_the_results_of_its_calls() -> None:
    done = tool(status="completed", input={"command": "ls"}, output="a\n")

    answer, results = turns(ANSWER, {"type": "step-start"}, text("I look."), done, finish("tool-calls"))

    call = {"type": "tool_use", "id": "c1", "name": "bash", "input": {"command": "ls"}}
    assert (answer.content, answer.unlearnt, answer.name) == ([text("I look."), call], "", "m2")
    assert results.content == [{"type": "tool_result", "tool_use_id": "c1", "content": "a\n"}]


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"status": "error", "error": "no such file"}, "no such file"),
        ({"status": "running"}, INTERRUPTED),
        ({"status": "pending"}, INTERRUPTED),
        ({}, INTERRUPTED),
    ],
)
def test_a_call_that_did_not_complete_failed(state: dict[str, Any], words: str) -> None:
    _, results = turns(ANSWER, tool(input={"x": 1}, **state), finish())

    failed = {"type": "tool_result", "tool_use_id": "c1", "content": words, "is_error": True}
    assert results.content == [failed]


def test_an_attachment_stands_behind_what_a_tool_printed() -> None:
    seen = [{"mime": "image/png"}, {"mime": "application/pdf"}, "broken"]

    _, results = turns(ANSWER, tool(status="completed", input={}, output="x", attachments=seen), finish())

    assert results.content[0]["content"] == [text("x"), {"type": "image"}, {"type": "document"}]


@pytest.mark.parametrize(
    ("more", "parts", "why"),
    [
        ({}, [text("x"), finish()], ""),
        ({}, [text("x"), finish("unknown")], ""),
        ({}, [text("x"), finish("length")], "answer that was cut: length"),
        ({}, [text("x")], "answer that was interrupted"),
        ({"summary": True}, [text("x"), finish()], SUMMARY),
        ({"summary": {"title": "diff"}}, [text("x"), finish()], ""),
        ({}, [tool("invalid", status="completed", input={}, output=""), finish()], REWRITTEN),
    ],
)
def test_an_answer_is_learnt_where_the_model_said_it_and_ended_it(
    more: dict[str, Any], parts: list[dict[str, Any]], why: str
) -> None:
    assert turns({**ANSWER, **more}, *parts)[0].unlearnt == why


def test_steps_of_one_message_are_answers_of_their_own() -> None:
    first = [{"type": "step-start"}, tool(status="completed", input={}, output="1"), finish("tool-calls")]

    answers = turns(ANSWER, *first, {"type": "step-start"}, text("Done."), finish())

    assert [(turn.role, turn.name) for turn in answers] == [
        ("assistant", "m2"),
        ("user", ""),
        ("assistant", "m2:1"),
    ]


def test_a_failed_answer_was_not_sent_again_but_an_interrupted_one_was() -> None:
    failed = {**ANSWER, "error": {"name": "APIError"}}
    stopped = {**ANSWER, "error": {"name": "MessageAbortedError"}}

    assert turns(failed, text("x"), finish()) == []
    assert [turn.unlearnt for turn in turns(stopped, text("x"))] == ["answer that was interrupted"]
    assert turns(stopped, {"type": "step-start"}) == []


def test_a_compaction_begins_a_context_with_opencodes_question() -> None:
    steps = list(steps_of([(USER, [{"type": "compaction"}])]))

    assert isinstance(steps[0], NewContext)
    assert isinstance(steps[1], Turn)
    assert steps[1].content == [text(SO_FAR)]


def test_what_was_reverted_is_counted_and_gone() -> None:
    skipped = Counter[str]()
    messages = [({"id": name}, ()) for name in ("m1", "m2", "m3")]

    kept = list(until_reverted(messages, "m2", skipped))

    assert ([message["id"] for message, _ in kept], skipped) == (["m1"], {REWOUND: 2})
    assert len(list(until_reverted(messages, "", skipped))) == 3


@pytest.mark.parametrize("value", [None, "soon", 1e300, float("nan")])
def test_what_is_no_time_is_no_time(value: Any) -> None:
    assert iso_time(value) == ""
