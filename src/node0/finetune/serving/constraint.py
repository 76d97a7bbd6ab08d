# SPDX-License-Identifier: Apache-2.0
"""What an answer must look like, and the grammar that says so: JSON of a schema, or calls of offered tools.

Grammars are in llguidance's dialect of Lark: https://github.com/guidance-ai/llguidance/blob/main/docs/syntax.md
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from node0.errors import ConfigError

CallForm = Literal["tagged", "list", "bare"]
"How a chat template writes calls; `chat.parse` reads all three."

_WHITE = r"\n? {0,12}"
"White space between the parts of JSON: as models write it, and never without end."

ANY_ARGUMENTS: Mapping[str, Any] = {"type": "object"}
"Of a tool that is not strict, beside others that are."

_KEYS: Mapping[CallForm, str] = {"tagged": "arguments", "list": "arguments", "bare": "parameters"}


@dataclass(frozen=True, slots=True)
class Constraint:
    """What an answer may be; neither schema nor tools leaves it free."""

    schema: Mapping[str, Any] | None = None
    "JSON Schema of the whole answer."

    tools: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    "Names, and JSON Schemas of their arguments."

    forced: bool = False
    "The answer is one or more calls; else words and calls, or JSON of the schema, as the model likes."

    one_call: bool = False
    "No more than one."


def call_form(template: str) -> CallForm:
    """The form in which a chat template writes calls."""
    if "<tool_call>" in template:
        return "tagged"
    return "list" if "[TOOL_CALLS]" in template else "bare"


def grammar(constraint: Constraint, form: CallForm) -> str:
    """The answers that a constraint allows.

    Raises:
        ConfigError: words between calls cannot be told from calls in this form.
    """
    rules = [f"WHITE: /{_WHITE}/"]
    for number, (name, schema) in enumerate(constraint.tools):
        rules += _call_rules(number, name, schema, key=_KEYS[form])
    if constraint.tools:
        every = " | ".join(f"call_{number}" for number in range(len(constraint.tools)))
        rules += [f"call: {every}", *_form_rules(form, one_call=constraint.one_call)]
    if constraint.schema is not None:
        rules.append(f"answer: %json {_bounded(constraint.schema)}")
    return "\n".join([f"start: {_start(constraint, form)}", *rules, ""])


def _start(constraint: Constraint, form: CallForm) -> str:
    if constraint.schema is not None:
        return "answer | calls" if constraint.tools else "answer"
    if constraint.forced:
        return "calls"
    if form != "tagged":
        raise ConfigError("strict tools need a chat template with <tool_call>; leave strict out")
    return "free? TEXT" if constraint.one_call else "free* TEXT"


def _form_rules(form: CallForm, *, one_call: bool) -> list[str]:
    more = "" if one_call else "+"
    if form == "tagged":
        inner = 'WHITE call WHITE "</tool_call>"'
        return [
            f"calls: tagged{more}",
            f'tagged: "<tool_call>" {inner}',
            f"free: opening {inner}",
            'opening[lazy]: TEXT "<tool_call>"',
            r"TEXT: /(.|\n)*/",
        ]
    if form == "list":
        further = "" if one_call else ' ("," WHITE call)*'
        return [f'calls: "[TOOL_CALLS]" WHITE "[" call{further} "]"']
    return ["calls: call"]


def _call_rules(number: int, name: str, schema: Mapping[str, Any], *, key: str) -> list[str]:
    opening, spelled, then = (json.dumps(text) for text in ('{"name":', json.dumps(name), f'"{key}":'))
    return [
        f'call_{number}: {opening} WHITE {spelled} "," WHITE {then} WHITE given_{number} WHITE "}}"',
        f"given_{number}: %json {_bounded(schema)}",
    ]


def _bounded(schema: Mapping[str, Any]) -> str:
    return json.dumps({**schema, "x-guidance": {"whitespace_pattern": _WHITE}})
