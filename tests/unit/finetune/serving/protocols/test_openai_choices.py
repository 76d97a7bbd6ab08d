# SPDX-License-Identifier: Apache-2.0
from typing import Any

import pytest

from node0.finetune.serving.constraint import Constraint
from node0.finetune.serving.protocols.api_errors import RequestRefused
from node0.finetune.serving.protocols.openai_choices import constraint, offered_tools

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}}


def tool(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": SCHEMA, **more}}


def limits(choice: Any = None, form: Any = None, *, parallel: bool = True, **more: Any) -> Constraint:
    tools = offered_tools([tool("a", **more), tool("b")])
    return constraint(tools, choice, parallel=parallel, form=form)


def test_nothing_is_bound_unless_it_is_asked_for() -> None:
    assert [limits(choice) for choice in (None, "auto")] == [Constraint()] * 2
    assert limits(form={"type": "text"}) == Constraint()
    assert limits(parallel=False) == Constraint(one_call=True)


def test_required_binds_every_tool_and_a_named_one_itself() -> None:
    both = (("a", SCHEMA), ("b", SCHEMA))

    assert limits("required") == Constraint(tools=both, forced=True)
    named = {"type": "function", "function": {"name": "b"}}
    assert limits(named) == Constraint(tools=both[1:], forced=True)
    assert limits(strict=True) == Constraint(tools=(("a", SCHEMA), ("b", {"type": "object"})))


def test_json_is_of_any_object_or_of_a_schema_and_calls_stay_possible() -> None:
    shaped = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA, "strict": True}}

    assert constraint([], None, parallel=True, form={"type": "json_object"}).schema == {"type": "object"}
    assert constraint([], None, parallel=True, form=shaped) == Constraint(schema=SCHEMA)
    assert [name for name, _ in limits(form=shaped).tools] == ["a", "b"]
    assert limits("required", shaped).schema is None


@pytest.mark.parametrize(
    ("choice", "form", "param"),
    [
        ("always", None, "tool_choice"),
        ({"type": "function", "function": {"name": "c"}}, None, "tool_choice"),
        ({"type": "function"}, None, "tool_choice"),
        (None, {"type": "xml"}, "response_format"),
        (None, {"type": "json_schema"}, "response_format"),
        (None, {"type": "json_schema", "json_schema": {"schema": "x"}}, "response_format"),
    ],
    ids=str,
)
def test_what_is_not_as_it_must_be_is_refused_by_its_name(choice: Any, form: Any, param: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        limits(choice, form)

    assert refused.value.param == param


def test_a_call_of_no_tool_cannot_be_required() -> None:
    with pytest.raises(RequestRefused, match="offer some"):
        constraint([], "required", parallel=True, form=None)


@pytest.mark.parametrize(
    "wrong", [{"type": "web_search"}, {"type": "function"}, tool("a", description=3)], ids=str
)
def test_what_is_no_function_is_not_offered(wrong: dict[str, Any]) -> None:
    with pytest.raises(RequestRefused, match=r"tools\.0"):
        offered_tools([wrong])
