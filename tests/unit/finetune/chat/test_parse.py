# SPDX-License-Identifier: Apache-2.0
import json
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_chat import BASH, tiny_tokenizer, user

from node0.finetune.chat.parse import parse_answer
from node0.finetune.chat.render import Renderer

RENDERER = Renderer(tiny_tokenizer())


def parsed(text: str) -> list[Any]:
    numbers = count()
    return parse_answer(text, new_id=lambda: f"id{next(numbers)}")


def use(number: int, **given: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": f"id{number}", "name": "Bash", "input": given}


def words(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


@pytest.mark.parametrize(
    "text",
    [
        '<tool_call>{"name":"Bash","arguments":{"command":"ls"}}</tool_call>',
        '<tool_call>\n{"name": "Bash", "arguments": {"command": "ls"}}\n</tool_call>',
        '<tool_call>{"name":"Bash","arguments":{"command":"ls"}}',
        '[TOOL_CALLS] [{"name": "Bash", "arguments": {"command": "ls"}}]',
        '{"name": "Bash", "parameters": {"command": "ls"}}',
    ],
)
def test_the_usual_ways_to_write_a_call_are_read(text: str) -> None:
    assert parsed(text) == [use(0, command="ls")]


def test_words_and_calls_keep_their_order() -> None:
    call = '<tool_call>{"name":"Bash","arguments":{}}</tool_call>'

    assert parsed(f"a {call} b {call}") == [words("a"), use(0), words("b"), use(1)]


@pytest.mark.parametrize(
    "text",
    [
        "<tool_call>{not json}</tool_call>",
        '<tool_call>{"name":"Bash"}</tool_call>',
        '<tool_call>{"name":"Bash","arguments":[1]}</tool_call>',
        '<tool_call>{"name":"Bash","arguments":{"command":"l',
        '{"name": 3}',
        "[1, 2]",
        "[TOOL_CALLS] nothing",
        "use <tool_call> to call",
        "{" * 5000,
    ],
)
def test_what_is_no_call_stays_text(text: str) -> None:
    assert parsed(text) == [words(text)]


def test_a_call_whose_input_names_the_end_tag_is_read_whole() -> None:
    given = {"command": "grep '</tool_call>' x"}

    assert parsed(f"<tool_call>{json.dumps({'name': 'Bash', 'arguments': given})}</tool_call>") == [
        use(0, **given)
    ]


def test_an_empty_answer_has_no_blocks() -> None:
    assert parsed("  \n") == []


def test_ids_are_new_each_time() -> None:
    call = '<tool_call>{"name":"Bash","arguments":{}}</tool_call>'
    blocks: Any = parse_answer(call + call)

    assert blocks[0]["id"] != blocks[1]["id"]


LETTERS = st.text("ab<>{}[]\"\\'\n \u00e9/_\U0001f642\u2028\t", max_size=20)


@settings(max_examples=50, deadline=None)
@given(text=LETTERS, commands=st.lists(LETTERS, max_size=3))
def test_parsing_undoes_rendering(text: str, commands: list[str]) -> None:
    answer = [words(text.strip())] if text.strip() else []
    answer += [use(number, command=command) for number, command in enumerate(commands)]
    if not answer:
        return

    example = RENDERER.example([user("go"), {"role": "assistant", "content": answer}], [BASH])  # type: ignore[list-item]  # a turn as JSON has it
    _, start, end = example.spans[0]

    assert parsed(RENDERER.tokenizer.decode(example.ids[start : end - 1])) == answer
