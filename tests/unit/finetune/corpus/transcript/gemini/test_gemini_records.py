# SPDX-License-Identifier: Apache-2.0
from typing import Any

import pytest

from node0.finetune.corpus.transcript.gemini.gemini_records import turns_of
from node0.finetune.corpus.transcript.turns import REPEATED, Turn


def user(*parts: Any, content: Any = None) -> dict[str, Any]:
    return {"id": "u", "timestamp": "2026-01-05T06:00:00Z", "type": "user", "content": content or list(parts)}


def answer(content: Any = "", *calls: Any) -> dict[str, Any]:
    return {
        "id": "g",
        "timestamp": "2026-01-05T06:00:01Z",
        "type": "gemini",
        "content": content,
        "toolCalls": list(calls),
    }


def response(name: str = "ls__a", **told: Any) -> dict[str, Any]:
    return {"functionResponse": {"id": name, "name": "ls", "response": told}}


CALL = {"id": "ls__a", "name": "ls", "args": {"path": "."}, "result": [response(output="x")]}


def turns(*records: dict[str, Any]) -> list[Turn]:
    return list(turns_of((record, "") for record in records))


def test_an_answer_with_its_calls_and_the_results_behind_it() -> None:
    said, results = turns(answer("I look.", CALL), user(response(output="x")))

    call = {"type": "tool_use", "id": "a", "name": "ls", "input": {"path": "."}}
    assert said.content == [{"type": "text", "text": "I look."}, call]
    assert results.content == [{"type": "tool_result", "tool_use_id": "a", "content": "x"}]
    assert (said.name, said.at, said.unlearnt) == ("g", "2026-01-05T06:00:01Z", "")


@pytest.mark.parametrize("behind", [(), (user({"text": "On."}),), (answer("Done."),)])
def test_results_that_stand_beside_the_call_alone_are_sent_too(behind: tuple[dict[str, Any], ...]) -> None:
    found = turns(answer("", CALL), *behind)

    assert found[1].content == [{"type": "tool_result", "tool_use_id": "a", "content": "x"}]
    assert len(found) == 2 + len(behind)


@pytest.mark.parametrize("behind", [(), (user({"text": "On."}),), (answer("Done."),)])
def test_a_picture_that_a_tool_read_goes_where_its_result_goes(behind: tuple[dict[str, Any], ...]) -> None:
    picture = {"inlineData": {"mimeType": "image/png", "data": "AA=="}}
    call = {**CALL, "result": [response(output="x"), picture]}

    found = turns(answer("", call), *behind)

    assert [block["type"] for block in found[1].content] == ["tool_result", "image"]


def test_calls_and_answers_may_be_parts() -> None:
    call = {"functionCall": {"id": "a", "name": "ls", "args": {}}}

    said, _ = turns(
        answer([{"text": "I"}, {"text": "hm", "thought": True}, call]), user(response("a", output="x"))
    )

    assert [block["type"] for block in said.content] == ["text", "tool_use"]


@pytest.mark.parametrize(
    ("told", "content", "failed"),
    [
        ({"output": "x"}, "x", False),
        ({"error": "no such file"}, "no such file", True),
        ({"output": {"n": 1}}, '{"n": 1}', False),
        ({"output": "x", "more": "y"}, '{"output": "x", "more": "y"}', False),
        ({}, "{}", False),
    ],
)
def test_what_a_tool_answered(told: dict[str, Any], content: str, failed: bool) -> None:
    _, results = turns(answer("", CALL), user(response(**told)))

    (block,) = results.content
    assert (block["content"], block.get("is_error", False)) == (content, failed)


def test_pictures_stand_as_their_kind() -> None:
    (turn,) = turns(
        user({"inlineData": {"mimeType": "image/png"}}, {"fileData": {"mimeType": "application/pdf"}})
    )

    assert turn.content == [{"type": "image"}, {"type": "document"}]


def test_an_answer_that_is_repeated_says_so() -> None:
    assert [turn.unlearnt for turn in turns_of([(answer("x"), REPEATED), (answer("y"), "")])] == [
        REPEATED,
        "",
    ]


@pytest.mark.parametrize(
    "record", [{"type": "info", "content": "x"}, {}, answer(""), user(), user(content=3), user("x")]
)
def test_what_is_not_sent_is_no_turn(record: dict[str, Any]) -> None:
    assert turns(record) == []


@pytest.mark.parametrize("calls", [True, 7, 1e308, "ls", {"id": "c"}, [True, "ls"]])
def test_calls_that_are_none_are_no_part_of_the_answer(calls: Any) -> None:
    (turn,) = turns({**answer("So."), "toolCalls": calls})

    assert turn.content == [{"type": "text", "text": "So."}]
