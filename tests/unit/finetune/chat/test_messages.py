# SPDX-License-Identifier: Apache-2.0
from typing import Any

import pytest

from node0.finetune.chat.messages import blocks, says_something, text_of, tool_uses

TEXT: Any = {"type": "text", "text": "a"}
CALL: Any = {"type": "tool_use", "id": "t", "name": "Bash", "input": {}}
THOUGHT: Any = {"type": "thinking", "thinking": "hm"}


def turn(content: Any) -> Any:
    return {"role": "assistant", "content": content}


def test_a_plain_string_is_one_text_block() -> None:
    assert blocks(turn("a")) == [TEXT]
    assert blocks(turn([TEXT, CALL])) == [TEXT, CALL]


def test_words_are_joined_and_calls_keep_their_order() -> None:
    other = {**CALL, "id": "u"}
    mixed = turn([TEXT, CALL, {**TEXT, "text": "b"}, other])

    assert text_of(mixed) == "a\n\nb"
    assert tool_uses(mixed) == [CALL, other]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("a", True),
        ([CALL], True),
        ([THOUGHT, TEXT], True),
        ("", False),
        (" \n", False),
        ([THOUGHT], False),
        ([], False),
    ],
)
def test_words_or_calls_say_something_and_thoughts_do_not(content: Any, says: bool) -> None:
    assert says_something(turn(content)) is says
