# SPDX-License-Identifier: Apache-2.0
"""Answers of a form, asked for through the gateway of any engine, and judged by a validator of schemas."""

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import jsonschema
import pytest
from integration.served_process import Served, anthropic_client

COMMAND: dict[str, Any] = {
    "$defs": {"line": {"type": "string", "maxLength": 12}},
    "type": "object",
    "properties": {
        "command": {"$ref": "#/$defs/line"},
        "seconds": {"type": "integer", "minimum": 2, "maximum": 40},
        "about": {"type": ["string", "null"], "maxLength": 5},
    },
    "required": ["command", "seconds"],
    "additionalProperties": False,
}
X: dict[str, Any] = {
    "type": "object",
    "properties": {"x": {"const": "x"}},
    "required": ["x"],
    "additionalProperties": False,
}
COUNT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "größe": {"enum": ["a.py", 'b "q" [x].py', 7]},
        "root": {"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 3},
        "at": {"anyOf": [X, {"type": "null"}]},
    },
    "required": ["größe", "at"],
    "additionalProperties": False,
}
SCHEMAS = {"Bash": COMMAND, 'Count "it"': COUNT}
TOOLS: Any = [
    {"name": name, "description": "Do it.", "input_schema": schema} for name, schema in SCHEMAS.items()
]
STRICT: Any = [{**tool, "strict": True} for tool in TOOLS]
SEEDS = 2


def assert_calls_keep_their_form(served: Served, model: str) -> None:
    """Required, chosen and strict calls are of the tools' schemas, however they are drawn."""
    one = {"type": "any", "disable_parallel_tool_use": True}
    chosen = {"type": "tool", "name": 'Count "it"', "disable_parallel_tool_use": True}
    for said in _drawn(served, model, tools=TOOLS, tool_choice={"type": "any"}):
        assert said.content[0].type == "tool_use"
        assert said.stop_reason == "max_tokens" or {block.type for block in said.content} == {"tool_use"}
    for choice, names in ((one, set(SCHEMAS)), (chosen, {'Count "it"'})):
        for said in _drawn(served, model, tools=TOOLS, tool_choice=choice):
            (call,) = said.content
            assert call.type == "tool_use" and call.name in names
    strict = list(_drawn(served, model, tools=STRICT))
    assert any(block.type == "tool_use" for said in strict for block in said.content)


def assert_json_keeps_its_form(served: Served, model: str) -> None:
    """JSON of a schema, alone and where calls may come instead."""
    for schema in SCHEMAS.values():
        form = {"output_config": {"format": {"type": "json_schema", "schema": schema}}}
        for said in _drawn(served, model, extra_body=form):
            (block,) = said.content
            assert said.stop_reason == "end_turn" and block.type == "text"
            jsonschema.validate(json.loads(block.text), schema)
        for said in _drawn(served, model, tools=STRICT, extra_body=form):
            for text in (block.text for block in said.content if block.type == "text"):
                assert (
                    said.stop_reason == "max_tokens" or jsonschema.validate(json.loads(text), schema) is None
                )


def assert_refused(served: Served, model: str, schema: dict[str, Any], words: str) -> None:
    """A form that cannot be followed is a bad request, whole and streamed."""
    form = {"output_config": {"format": {"type": "json_schema", "schema": schema}}}
    asked: dict[str, Any] = {
        "model": model,
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "Look."}],
    }
    with anthropic_client(served) as client:
        for stream in (False, True):
            with pytest.raises(anthropic.BadRequestError, match=words):
                client.messages.create(**asked, extra_body=form, stream=stream)


def _drawn(served: Served, model: str, **asked: Any) -> Iterator[anthropic.types.Message]:
    """Some answers at temperature 1; the calls in each are of their tools' schemas."""
    more = {"temperature": 1.0, **asked.pop("extra_body", {})}
    with anthropic_client(served) as client:
        for number in range(SEEDS):
            turn = {"role": "user", "content": f"Look at rig {number}."}
            said = client.messages.create(
                model=model, max_tokens=150, messages=[turn], extra_body=more, **asked
            )
            for call in (block for block in said.content if block.type == "tool_use"):
                jsonschema.validate(call.input, SCHEMAS[call.name])
            yield said
