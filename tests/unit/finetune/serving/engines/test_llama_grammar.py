# SPDX-License-Identifier: Apache-2.0
"""llguidance reads the grammars here, since it knows GBNF too; integration tests ask a real llama-server."""

from typing import Any

import pytest
from call_answers import BASH, COUNTED, END_TAG, FORCED, FREE, NAMES, TAG, allowed_by
from llguidance import LLMatcher
from llguidance.gbnf_to_lark import gbnf_to_lark

from node0.finetune.serving.constraint import AnswerForm, CallForm, Constraint
from node0.finetune.serving.engines.llama_grammar import llama_grammar

COMMAND = r"""char ::= [^"\\\x7F\x00-\x1F] | [\\] (["\\bfnrt] | "u" [0-9a-fA-F]{4})
command-kv ::= "\"command\"" space ":" space string
root ::= "{" space command-kv space "}"
space ::= | " " | "\n"{1,2} [ \t]{0,20}
string ::= "\"" char* "\""
"""
NUMBER = r"""integer ::= ("-"? integral-part)
integral-part ::= [0] | [1-9] [0-9]{0,15}
n-kv ::= "\"n\"" space ":" space integer
root ::= "{" space n-kv space "}"
space ::= | " " | "\n"{1,2} [ \t]{0,20}
"""
"Rules as llama-server tells them."

TOOLS: Any = tuple((name, {}) for name in NAMES)


def allows(constraint: Constraint, text: str, form: CallForm = "tagged") -> bool:
    """Whether a whole answer may be this text."""
    answer = NUMBER if constraint.schema is not None else None
    arguments = [COMMAND, NUMBER][: len(constraint.tools)]
    given = llama_grammar(AnswerForm(constraint, form), answer=answer, arguments=arguments)
    return allowed_by(gbnf_to_lark(given), text)


@pytest.mark.parametrize(("text", "allowed"), FORCED)
def test_forced_answers_are_calls_of_the_tools_by_their_rules(text: str, allowed: bool) -> None:
    assert allows(Constraint(tools=TOOLS, forced=True), text) is allowed


def test_one_call_is_no_more_than_one() -> None:
    one = Constraint(tools=TOOLS, forced=True, one_call=True)

    assert allows(one, f"{TAG}{BASH}{END_TAG}")
    assert not allows(one, f"{TAG}{BASH}{END_TAG}{TAG}{BASH}{END_TAG}")


@pytest.mark.parametrize(("text", "allowed"), FREE)
def test_strict_tools_leave_words_free_and_bind_every_call(text: str, allowed: bool) -> None:
    assert allows(Constraint(tools=TOOLS), text) is allowed
    assert allows(Constraint(tools=TOOLS, one_call=True), text) is (allowed and text.count(TAG) < 2)


def test_json_of_a_schema_or_calls() -> None:
    either = Constraint(schema={}, tools=TOOLS)

    assert allows(either, '{"n": 3}') and allows(either, f"{TAG}{BASH}{END_TAG}{TAG}{BASH}{END_TAG}")
    assert not allows(either, '{"n": "3"}') and not allows(either, "well") and not allows(either, BASH)


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("list", f"[TOOL_CALLS][{BASH},{COUNTED}]"),
        ("bare", BASH.replace("arguments", "parameters")),
    ],
)
def test_calls_are_in_the_form_of_the_template(form: CallForm, text: str) -> None:
    forced = Constraint(tools=TOOLS, forced=True)

    assert allows(forced, text, form)
    assert not allows(forced, f"{TAG}{BASH}{END_TAG}", form)
    assert allows(Constraint(tools=TOOLS, forced=True, one_call=True), text, form) is (
        "," + COUNTED not in text
    )


def test_rules_of_schemas_are_kept_apart_and_what_only_looks_like_a_name_is_left() -> None:
    rules = 'root ::= "root \\"x\\" [y" [a-z\\]"]{2,3} ( part | "]" part )\npart ::= [root]'
    given = llama_grammar(
        AnswerForm(Constraint(tools=TOOLS, forced=True), "bare"), answer=None, arguments=[rules, rules]
    )

    assert 'given-1-root ::= "root \\"x\\" [y" [a-z\\]"]{2,3} ( given-1-part | "]" given-1-part )' in given
    assert "given-0-part ::= [root]" in given
    assert not LLMatcher.validate_grammar(gbnf_to_lark(given), None)


@pytest.mark.parametrize("said", ["", "!~", "\u00e9", "\u65e5\u672c", "\U0001f600", "\U0010ffff", "\ue000"])
def test_a_string_holds_any_character_of_unicode(said: str) -> None:
    call = f'{{"name":"Bash","arguments":{{"command":"{said}"}}}}'

    assert allows(Constraint(tools=TOOLS, forced=True), f"{TAG}{call}{END_TAG}")


@pytest.mark.parametrize("said", ["\n", "\x1f", "\x7f", '"', "\\"])
def test_a_string_holds_no_sign_that_json_escapes(said: str) -> None:
    call = f'{{"name":"Bash","arguments":{{"command":"{said}"}}}}'

    assert not allows(Constraint(tools=TOOLS, forced=True), f"{TAG}{call}{END_TAG}")


def test_no_class_lets_bytes_stand_that_are_no_character() -> None:
    constraint = Constraint(tools=TOOLS, forced=True)
    rules = llama_grammar(AnswerForm(constraint, "tagged"), answer=None, arguments=[COMMAND, NUMBER])

    assert "[^" not in rules and "\U0010ffff" in rules
