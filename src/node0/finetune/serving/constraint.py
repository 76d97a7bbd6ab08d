# SPDX-License-Identifier: Apache-2.0
"""What an answer must look like, and the grammar that says so: JSON of a schema, or calls of offered tools.

Grammars are in llguidance's dialect of Lark: https://github.com/guidance-ai/llguidance/blob/main/docs/syntax.md
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from node0.errors import ConfigError

CallForm = Literal["tagged", "list", "bare"]
"How a chat template writes calls; `chat.parse` reads all three."

LLGUIDANCE = "%llguidance {}"
"A first line that only llguidance reads."

_WHITE = r"\n? {0,12}"
"White space between the parts of JSON: as models write it, and never without end."

_INDENTED: Mapping[str, Any] = {"whitespace_pattern": _WHITE}
_COMPACT: Mapping[str, Any] = {
    "whitespace_flexible": False,
    "item_separator": ", ?",
    "key_separator": ": ?",
}

ANY_ARGUMENTS: Mapping[str, Any] = {"type": "object"}
"Of a tool that is not strict, beside others that are."

TAG, END_TAG = "<tool_call>", "</tool_call>"
LIST_TAG = "[TOOL_CALLS]"
MARKS = (TAG, END_TAG, LIST_TAG)
"What stands around calls; each is one id of many tokenizers."

ARGUMENTS: Mapping[CallForm, str] = {"tagged": "arguments", "list": "arguments", "bare": "parameters"}


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

    @property
    def binds(self) -> bool:
        """Whether there is anything that an answer may not be."""
        return bool(self.tools) or self.schema is not None


@dataclass(frozen=True, slots=True)
class AnswerForm:
    """A constraint, and how the model that is asked writes calls."""

    constraint: Constraint
    calls: CallForm
    marks: Mapping[str, int] = field(default_factory=dict)
    "Those of MARKS that are one id of the model's tokenizer."


def call_form(template: str) -> CallForm:
    """The form in which a chat template writes calls."""
    if TAG in template:
        return "tagged"
    return "list" if LIST_TAG in template else "bare"


def grammar(form: AnswerForm, *, compact: bool = False) -> str:
    """The answers that a form allows; `compact` has no white space in JSON but one blank after a sign.

    It is for llguidance 1.7, which would repeat white space of any pattern without end.

    Raises:
        ConfigError: words between calls cannot be told from calls in this form.
    """
    constraint, blanks = form.constraint, _COMPACT if compact else _INDENTED
    rules = [f"WHITE: /{_WHITE}/"]
    for number, (name, schema) in enumerate(constraint.tools):
        rules.append(_call_rule(number, name, key=ARGUMENTS[form.calls]))
        rules.append(f"given_{number}: %json {_spaced(schema, blanks)}")
    if constraint.tools:
        every = " | ".join(f"call_{number}" for number in range(len(constraint.tools)))
        rules += [f"call: {every}", *_form_rules(form)]
    if constraint.schema is not None:
        rules.append(f"answer: %json {_spaced(constraint.schema, blanks)}")
    return "\n".join([f"start: {_start(constraint, form.calls)}", *rules, ""])


def _start(constraint: Constraint, form: CallForm) -> str:
    if constraint.schema is not None:
        return "answer | calls" if constraint.tools else "answer"
    if constraint.forced:
        return "calls"
    if form != "tagged":
        raise ConfigError("strict tools need a chat template with <tool_call>; leave strict out")
    return "free? TEXT" if constraint.one_call else "free* TEXT"


def _form_rules(form: AnswerForm) -> list[str]:
    one_call = form.constraint.one_call
    more = "" if one_call else "+"
    if form.calls == "tagged":
        # Text takes in no id that stands for a mark, so what comes before such an id needs no lazy rule.
        marked = f" | TEXT {_id(form.marks[TAG])}" if TAG in form.marks else ""
        inner = f"WHITE call WHITE {_mark(END_TAG, form)}"
        return [
            f"calls: tagged{more}",
            f"tagged: {_mark(TAG, form)} {inner}",
            f"free: (opening{marked}) {inner}",
            f'opening[lazy]: TEXT "{TAG}"',
            r"TEXT: /(.|\n)*/",
        ]
    if form.calls == "list":
        further = "" if one_call else ' ("," WHITE call)*'
        return [f'calls: {_mark(LIST_TAG, form)} WHITE "[" call{further} "]"']
    return ["calls: call"]


def _mark(text: str, form: AnswerForm) -> str:
    """As one id or as its letters: a literal alone is never matched by the id."""
    return f'({_id(form.marks[text])} | "{text}")' if text in form.marks else f'"{text}"'


def _id(number: int) -> str:
    return f"<[{number}]>"


def _call_rule(number: int, name: str, *, key: str) -> str:
    opening, spelled, then = (json.dumps(text) for text in ('{"name":', json.dumps(name), f'"{key}":'))
    return f'call_{number}: {opening} WHITE {spelled} "," WHITE {then} WHITE given_{number} WHITE "}}"'


def _spaced(schema: Mapping[str, Any], blanks: Mapping[str, Any]) -> str:
    return json.dumps({**schema, "x-guidance": blanks})
