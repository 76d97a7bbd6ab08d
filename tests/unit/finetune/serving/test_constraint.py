# SPDX-License-Identifier: Apache-2.0
from pathlib import Path
from typing import Any

import pytest
from call_answers import BASH, COUNTED, END_TAG, FORCED, FREE, MASKS, NAMES, TAG, allowed_by, follows
from llguidance import LLMatcher
from serving_parts import END, decode, encode
from tiny_chat import tiny_tokenizer

from node0.errors import ConfigError
from node0.finetune.chat.parse import parse_answer
from node0.finetune.data.tokenizer import load_tokenizer
from node0.finetune.serving.constraint import MARKS, AnswerForm, CallForm, Constraint, call_form, grammar
from node0.finetune.serving.grammar_masks import GrammarMasks

ROOT = Path(__file__).parents[4]
COMMAND: dict[str, Any] = {
    "type": "object",
    "properties": {"command": {"type": "string"}},
    "required": ["command"],
    "additionalProperties": False,
}
COUNT: dict[str, Any] = {
    "$defs": {"n": {"type": "integer"}},
    "type": "object",
    "properties": {"n": {"$ref": "#/$defs/n"}},
    "required": ["n"],
}
TOOLS = tuple(zip(NAMES, (COMMAND, COUNT), strict=True))


def allows(constraint: Constraint, text: str, form: CallForm = "tagged", *, compact: bool = False) -> bool:
    """Whether a whole answer may be this text."""
    return allowed_by(grammar(AnswerForm(constraint, form), compact=compact), text)


@pytest.mark.parametrize(("text", "allowed"), FORCED)
def test_forced_answers_are_calls_of_the_tools_by_their_schema(text: str, allowed: bool) -> None:
    assert allows(Constraint(tools=TOOLS, forced=True), text) is allowed


def test_one_call_is_no_more_than_one() -> None:
    one = Constraint(tools=TOOLS, forced=True, one_call=True)

    assert allows(one, f"{TAG}{BASH}{END_TAG}")
    assert not allows(one, f"{TAG}{BASH}{END_TAG}{TAG}{BASH}{END_TAG}")


@pytest.mark.parametrize(("text", "allowed"), FREE)
def test_strict_tools_leave_words_free_and_bind_every_call(text: str, allowed: bool) -> None:
    assert allows(Constraint(tools=TOOLS), text) is allowed


def test_json_of_a_schema_may_be_indented_but_not_without_end() -> None:
    shaped = Constraint(schema=COUNT)

    assert allows(shaped, '{"n": 3}') and allows(shaped, '{\n  "n": 3\n}')
    assert not allows(shaped, '{"n": "3"}') and not allows(shaped, "[]") and not allows(shaped, "well")
    assert not allows(shaped, '{"n":' + " " * 40 + "3}")
    assert allows(Constraint(schema=COUNT, tools=TOOLS), f"{TAG}{BASH}{END_TAG}")


def test_compact_json_has_a_blank_after_its_signs_at_most() -> None:
    shaped = Constraint(schema=COUNT)

    assert allows(shaped, '{"n": 3}', compact=True) and allows(shaped, '{"n":3}', compact=True)
    assert not allows(shaped, '{\n  "n": 3\n}', compact=True) and not allows(shaped, '{"n":3 }', compact=True)


@pytest.mark.parametrize(
    ("text", "forced", "free"),
    [
        (f"{TAG}{BASH}{END_TAG}", True, True),
        (f"{TAG}\n{BASH}\n{END_TAG}", True, True),
        (f"{TAG}{COUNTED}{END_TAG}{TAG}\n{BASH}\n{END_TAG}", True, True),
        (f"{TAG}\n" + BASH.replace('"ls"', "3") + END_TAG, False, False),
        (f"{TAG}" + BASH.replace('"ls"', "3") + END_TAG, False, False),
        (f"I look. {TAG}{BASH}{END_TAG} And then {TAG}\n{COUNTED}\n{END_TAG}", False, True),
        (f"I look. {TAG}\n" + BASH.replace("Bash", "Read") + END_TAG, False, False),
        ("Only words, 1 < 2 and <tool.", False, True),
    ],
)
def test_tags_that_are_one_id_of_a_tokenizer_are_that_id_too(text: str, forced: bool, free: bool) -> None:
    tokenizer = load_tokenizer(ROOT / "examples" / "base")
    marks = {mark: tokenizer.get_vocab()[mark] for mark in MARKS[:2]}
    end = tokenizer.eos_token_id
    masks = GrammarMasks(tokenizer, vocab_size=len(tokenizer), stop_ids=[end])
    ids = [*tokenizer(text, add_special_tokens=False)["input_ids"], end]

    assert (
        follows(masks.mask(grammar(AnswerForm(Constraint(tools=TOOLS, forced=True), "tagged", marks))), ids)
        == forced
    )
    assert follows(masks.mask(grammar(AnswerForm(Constraint(tools=TOOLS), "tagged", marks))), ids) == free


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("list", f"[TOOL_CALLS][{BASH},{BASH}]"),
        ("bare", BASH.replace("arguments", "parameters")),
    ],
)
def test_calls_in_other_templates_forms_are_what_the_parser_reads(form: CallForm, text: str) -> None:
    assert allows(Constraint(tools=TOOLS, forced=True), text, form)
    assert [block["type"] for block in parse_answer(text)] == ["tool_use"] * text.count("Bash")
    assert not allows(Constraint(tools=TOOLS, forced=True), f"{TAG}{BASH}{END_TAG}", form)
    with pytest.raises(ConfigError, match="leave strict out"):
        grammar(AnswerForm(Constraint(tools=TOOLS), form))


def test_a_list_of_calls_may_begin_with_the_one_id_of_its_tag() -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["[TOOL_CALLS]"]})
    tag = tokenizer.get_vocab()["[TOOL_CALLS]"]
    masks = GrammarMasks(tokenizer, vocab_size=len(tokenizer), stop_ids=[END])
    form = AnswerForm(Constraint(tools=TOOLS, forced=True), "list", {"[TOOL_CALLS]": tag})

    assert follows(masks.mask(grammar(form)), [tag, *encode(f"[{BASH}]"), END])
    assert not follows(masks.mask(grammar(form)), [*encode(f"[{BASH}]"), END])


def test_the_form_is_the_templates() -> None:
    assert [call_form(text) for text in ("a <tool_call>", "[TOOL_CALLS]", "{{ x }}")] == [
        "tagged",
        "list",
        "bare",
    ]


def test_a_walk_along_the_mask_always_ends_in_what_was_asked_for() -> None:
    one = Constraint(tools=TOOLS[:1], forced=True, one_call=True)
    mask = MASKS.mask(grammar(AnswerForm(one, "tagged")))
    ids: list[int] = []
    while not ids or ids[-1] != END:
        allowed = mask.allowed().nonzero().flatten().tolist()
        # The last one closes what is open sooner than it opens something new.
        ids.append(END if END in allowed else encode('"')[0] if encode('"')[0] in allowed else allowed[0])
        mask.accept(ids[-1])

    (call,) = parse_answer(decode(ids))
    assert call["type"] == "tool_use" and set(call["input"]) == {"command"}
    assert LLMatcher.validate_grammar("start: nothing", None)
