# SPDX-License-Identifier: Apache-2.0
from typing import Any

import pytest

from node0.errors import ConfigError
from node0.finetune.serving.engines.llama_schema import check_schema

NAME = {"type": "string", "minLength": 1, "maxLength": 9}


def of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object"},
        {"$schema": "x", "title": "A call", "x-order": 3, **of(name=NAME), "additionalProperties": False},
        {"properties": {"pattern": {"type": "boolean"}, "not": {"type": "null"}}},
        of(path={"type": "string", "format": "uri"}, at={"type": "string", "format": "date-time"}),
        of(count={"type": "integer", "minimum": 1, "exclusiveMaximum": 9}, share={"type": "number"}),
        of(kind={"type": "string", "enum": ["a", "b"]}, fixed={"const": {"if": 1}}),
        of(maybe={"type": ["string", "null"], "maxLength": 3}, either={"anyOf": [NAME, {"type": "integer"}]}),
        of(some={"type": "array", "items": NAME, "maxItems": 3}, pair={"prefixItems": [NAME, {}]}),
        {"$defs": {"name": NAME}, **of(name={"$ref": "#/$defs/name", "description": "Whose."})},
        {"type": "object", "additionalProperties": {"type": "integer"}},
    ],
)
def test_what_the_engine_follows_is_taken(schema: dict[str, Any]) -> None:
    check_schema(schema)


@pytest.mark.parametrize(
    ("schema", "dropped"),
    [
        ({"type": "string", "pattern": "^a$"}, "pattern"),
        ({"type": "string", "format": "uuid", "maxLength": 3}, "maxLength"),
        ({"type": "number", "minimum": 1}, "minimum"),
        ({"type": "integer", "multipleOf": 3}, "multipleOf"),
        ({"type": "integer", "minimum": 1, "exclusiveMinimum": 1}, "exclusiveMinimum"),
        ({"minimum": 1}, "minimum"),
        ({"type": "array", "items": NAME, "uniqueItems": True}, "uniqueItems"),
        ({"type": "array", "prefixItems": [NAME], "minItems": 2}, "minItems"),
        ({"type": "array", "prefixItems": [NAME], "items": NAME}, "prefixItems"),
        ({"type": "array", "items": [NAME], "maxItems": 1}, "maxItems"),
        ({"type": "object", "properties": {"a": {}}, "required": ["a", "b"]}, "required"),
        ({"required": ["a"]}, "required"),
        ({"type": "object", "minProperties": 1}, "minProperties"),
        ({**of(name=NAME), "allOf": [{"required": ["b"]}]}, "allOf"),
        ({"anyOf": [of(a=NAME), of(b=NAME)], "required": ["c"]}, "required"),
        ({**of(name=NAME), "anyOf": [of(a=NAME), of(b=NAME)]}, "type"),
        ({"$ref": "#/$defs/a", "maxLength": 3, "$defs": {"a": NAME}}, "maxLength"),
        ({"enum": ["a", "bb"], "minLength": 2}, "minLength"),
        ({"type": ["string", "null"], "minimum": 3}, "minimum"),
        ({"if": {"type": "string"}, "then": NAME}, "if"),
        ({"not": {"type": "string"}}, "not"),
    ],
)
@pytest.mark.parametrize("inside", [None, "properties", "items", "anyOf", "$defs", "additionalProperties"])
def test_what_it_would_drop_is_refused_wherever_it_stands(
    schema: dict[str, Any], dropped: str, inside: str | None
) -> None:
    whole: dict[str | None, dict[str, Any]] = {
        None: schema,
        "properties": of(a=of(b=schema)),
        "items": {"type": "array", "items": schema},
        "anyOf": {"anyOf": [NAME, schema]},
        "$defs": {"$defs": {"a": schema}, "$ref": "#/$defs/a"},
        "additionalProperties": {"type": "object", "additionalProperties": schema},
    }

    with pytest.raises(ConfigError, match=f"'{dropped}'"):
        check_schema(whole[inside])
