# SPDX-License-Identifier: Apache-2.0
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node0.finetune.chat.parse import parse_answer
from node0.finetune.serving.answer_blocks import AnswerBlocks, Piece

CALL = '<tool_call>{"name":"Bash","arguments":{"command":"ls"}}</tool_call>'
MISTRAL = '[TOOL_CALLS][{"name":"Bash","arguments":{}}]'
PARTS = st.lists(
    st.sampled_from(
        [
            CALL,
            MISTRAL,
            "<tool_call>",
            "</tool_call>",
            "[TOOL_CALLS]",
            "{",
            "[",
            "words",
            " ",
            "\n",
            "<tool",
            "[T",
            '{"name":"Bash","parameters":{}}',
            "</",
            '{"name":1}',
            "]",
            "é",
        ]
    ),
    max_size=8,
).map("".join)


def streamed(text: str, sizes: list[int]) -> list[Piece]:
    blocks, pieces, at = AnswerBlocks(), [], 0
    for size in [*sizes, len(text)]:
        pieces += blocks.push(text[at : at + size])
        at += size
    return [*pieces, *blocks.finish()]


def joined(pieces: list[Piece]) -> list[Any]:
    """Words that follow each other made one, and calls without their ids."""
    found: list[Any] = []
    for piece in pieces:
        if not isinstance(piece, str):
            found.append((piece["name"], piece["input"]))
        elif found and isinstance(found[-1], str):
            found[-1] += piece
        else:
            found.append(piece)
    return found


@given(PARTS, st.lists(st.integers(1, 5), max_size=12))
def test_what_comes_piece_by_piece_is_what_parsing_the_whole_text_gives(text: str, sizes: list[int]) -> None:
    whole: list[Piece] = [
        block["text"] if block["type"] == "text" else block  # type: ignore[misc]  # a parser gives these two
        for block in parse_answer(text)
    ]

    assert joined(streamed(text, sizes)) == joined(whole)


def test_words_are_passed_on_before_the_answer_ends() -> None:
    blocks = AnswerBlocks()

    assert blocks.push(" I look") == ["I look"]
    assert blocks.push(" first. <tool") == [" first."]
    assert blocks.push("_call>{") == []


def test_what_only_began_like_a_call_is_passed_on_as_words() -> None:
    assert "".join(map(str, streamed("a <tool b", [4, 2]))) == "a <tool b"


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_answer_without_words_has_no_pieces(text: str) -> None:
    assert streamed(text, []) == []


def test_where_one_call_was_allowed_what_follows_it_is_not_waited_for() -> None:
    blocks = AnswerBlocks(one_call=True)
    pieces = [*blocks.push("I look. "), *blocks.push(CALL[:-1])]
    before = blocks.complete
    pieces += [*blocks.push(">" + CALL), *blocks.finish()]

    assert (before, blocks.complete) == (False, True)
    assert [piece if isinstance(piece, str) else piece["name"] for piece in pieces] == ["I look.", "Bash"]
    assert not AnswerBlocks().complete


def test_of_calls_in_a_list_the_first_is_taken_where_one_was_allowed() -> None:
    blocks = AnswerBlocks(one_call=True)
    blocks.push(MISTRAL.replace("}]", '},{"name":"Read","arguments":{}}]'))

    assert [piece["name"] for piece in blocks.finish() if not isinstance(piece, str)] == ["Bash"]
