# SPDX-License-Identifier: Apache-2.0
"""What llama-server drops of a JSON Schema without a word, so that it can be refused instead.

Sources: `common/json-schema.cpp` of llama.cpp 0.5.0-dev (0c1e570), which looks at keywords in the order that
is kept here; JSON Schema 2020-12 and draft 7, by which keywords that do not stand here bind no value.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from node0.errors import ConfigError

Schema = Mapping[str, Any]

_BINDING = (
    *("type", "enum", "const", "multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum"),
    *("maxLength", "minLength", "pattern", "maxItems", "minItems", "uniqueItems", "contains", "maxContains"),
    *("minContains", "maxProperties", "minProperties", "required", "dependentRequired", "properties"),
    *(
        "patternProperties",
        "additionalProperties",
        "propertyNames",
        "items",
        "prefixItems",
        "additionalItems",
    ),
    *("unevaluatedItems", "unevaluatedProperties", "dependentSchemas", "dependencies", "allOf", "anyOf"),
    *("oneOf", "not", "if", "then", "else", "$ref", "$dynamicRef", "$recursiveRef"),
)
_OF_TYPE: Mapping[object, tuple[str, ...]] = {
    "object": ("properties", "required", "additionalProperties"),
    "array": ("items", "minItems", "maxItems"),
    "string": ("minLength", "maxLength"),
    "integer": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
}
"Of other types nothing more is followed."

_FORMATS = ("date", "time", "date-time", "uuid")
"Beside one of these nothing else of a string is followed; other formats bind nothing."

_READ_FIRST = (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum"))
"Of a pair the second is dropped."


def check_schema(schema: Schema) -> None:
    """See whether all that a schema asks for is followed.

    Raises:
        ConfigError: a keyword would be dropped; the message names it.
    """
    if dropped := next(_dropped(schema), None):
        raise ConfigError(
            f"llama-server does not follow {dropped!r} as it stands; leave it out of the schema"
        )


def _dropped(schema: Schema) -> Iterator[str]:
    followed = _followed(schema)
    yield from (name for name in schema if name in _BINDING and name not in followed)
    if not set(schema.get("required", ())) <= set(schema.get("properties", ())):
        yield "required"
    yield from (second for first, second in _READ_FIRST if first in schema and second in schema)
    for part in _parts(schema):
        yield from _dropped(part)


def _followed(schema: Schema) -> set[str]:
    """Its keywords that are looked at."""
    for alone in ("$ref", "oneOf", "anyOf"):
        if alone in schema:
            return {alone}
    for value in ("const", "enum"):
        if value in schema:
            return {"type", value}
    given = schema.get("type", _kind(schema))
    kinds = given if isinstance(given, list) else [given]
    return {"type"}.union(*(_of_kind(kind, schema) for kind in kinds))


def _of_kind(kind: object, schema: Schema) -> tuple[str, ...]:
    """What is looked at where a value is of this type."""
    if kind == "string" and schema.get("format") in _FORMATS:
        return ()
    if kind == "array" and isinstance(schema.get("items", schema.get("prefixItems")), list):
        return ("items" if "items" in schema else "prefixItems",)
    return _OF_TYPE.get(kind, ())


def _kind(schema: Schema) -> str:
    """The type that a schema without one is taken for; empty for any."""
    if "properties" in schema or schema.get("additionalProperties", True) is not True:
        return "object"
    if "items" in schema or "prefixItems" in schema:
        return "array"
    return "string" if "minLength" in schema or "maxLength" in schema else ""


def _parts(schema: Schema) -> Iterator[Schema]:
    """The schemas within it; what is neither true, false nor an object the engine itself refuses."""
    listed = (schema.get(name) for name in ("oneOf", "anyOf", "items", "prefixItems"))
    named = (schema.get(name) for name in ("properties", "$defs", "definitions"))
    parts = [schema.get("items"), schema.get("additionalProperties")]
    parts += [part for parts in listed if isinstance(parts, list) for part in parts]
    parts += [part for parts in named if isinstance(parts, Mapping) for part in parts.values()]
    yield from (part for part in parts if isinstance(part, Mapping))
