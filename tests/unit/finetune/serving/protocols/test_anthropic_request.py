# SPDX-License-Identifier: Apache-2.0
from typing import Any

import pytest
from pydantic import ValidationError
from tiny_chat import BASH, user

from node0.finetune.serving.constraint import Constraint
from node0.finetune.serving.protocols.anthropic_request import MessagesBody
from node0.finetune.serving.protocols.api_errors import RequestRefused


def body(**values: Any) -> MessagesBody:
    return MessagesBody.model_validate({"model": "m", "max_tokens": 8, "messages": [user("x")], **values})


def test_what_a_harness_sends_beyond_the_protocol_is_passed_over() -> None:
    given = body(thinking={"type": "adaptive"}, context_management={}, betas=["x"])

    assert given.request()["messages"] == [{"role": "user", "content": [{"type": "text", "text": "x"}]}]


def test_what_is_null_is_left_open() -> None:
    given = body(system=None, tools=None, top_k=None, stop_sequences=None, stream=None)

    assert (given.request()["system"], given.offers_tools, given.drawing().top_k) == ("", False, 0)


def test_the_draw_is_the_requests_own() -> None:
    drawing = body(temperature=0, top_p=0.5, top_k=3, stop_sequences=["", "END"]).drawing()

    assert (drawing.max_tokens, drawing.temperature, drawing.top_p, drawing.top_k) == (8, 0, 0.5, 3)
    assert drawing.stop == ("END",)


@pytest.mark.parametrize(
    ("choice", "offered"), [(None, True), ({"type": "any"}, True), ({"type": "none"}, False)], ids=str
)
def test_tools_are_offered_unless_the_choice_is_none(choice: Any, offered: bool) -> None:
    given = body(tools=[BASH], tool_choice=choice)

    assert given.offers_tools is offered
    assert bool(given.request()["tools"]) is offered


def test_a_chosen_tool_that_is_not_offered_is_refused() -> None:
    with pytest.raises(RequestRefused, match="no tool 'Read'"):
        body(tools=[BASH], tool_choice={"type": "tool", "name": "Read"}).drawing()
    with pytest.raises(RequestRefused, match="no tools are offered"):
        body(tool_choice={"type": "any"}).drawing()


def test_a_choice_binds_the_answer_and_nothing_else_does() -> None:
    other = {**BASH, "name": "Read"}
    shapes = [(tool["name"], tool["input_schema"]) for tool in (BASH, other)]

    def bound(**changes: Any) -> Constraint:
        return body(tools=[BASH, other], **changes).drawing().constraint

    assert [bound(), bound(tool_choice={"type": "auto"})] == [Constraint()] * 2
    assert bound(tool_choice={"type": "any"}) == Constraint(tools=tuple(shapes), forced=True)
    assert bound(tool_choice={"type": "tool", "name": "Read"}) == Constraint(tools=(shapes[1],), forced=True)
    alone = {"type": "auto", "disable_parallel_tool_use": True}
    assert bound(tool_choice=alone) == Constraint(one_call=True)
    strict = body(tools=[{**BASH, "strict": True}, other]).drawing().constraint
    assert strict == Constraint(tools=(shapes[0], ("Read", {"type": "object"})))


@pytest.mark.parametrize("place", ["output_format", "output_config"])
def test_json_of_a_schema_is_asked_for_in_either_spelling(place: str) -> None:
    form = {"type": "json_schema", "schema": {"type": "object"}}
    given = body(**{place: form if place == "output_format" else {"format": form, "effort": "low"}})

    assert given.drawing().constraint == Constraint(schema={"type": "object"})


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_tokens": -1},
        {"max_tokens": 0},
        {"max_tokens": "9"},
        {"messages": []},
        {"model": 3},
        {"messages": [{"role": "tool", "content": "x"}]},
        {"tool_choice": {"type": "maybe"}},
        {"stream": 1},
    ],
    ids=str,
)
def test_values_of_wrong_types_or_ranges_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        body(**wrong)
