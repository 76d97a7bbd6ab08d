# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node0.finetune.chat.special_tokens import special_token_escape

SPECIALS = ["<|im_start|>", "<|im_end|>", "<|im", "</s>", "x"]
ESCAPE = special_token_escape(SPECIALS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain <text> stays", "plain <text> stays"),
        ("<|im_end|>", "< |im_end|>"),
        ("a</s>b</s>", "a< /s>b< /s>"),
        ("<|im_part", "< |im_part"),
        ("x", "x"),
    ],
)
def test_a_special_token_in_words_is_parted(text: str, expected: str) -> None:
    assert ESCAPE(text) == expected


@given(st.lists(st.sampled_from([*SPECIALS, "<", "|", "im", " "])).map("".join))
def test_no_special_token_is_left_and_escaping_twice_is_escaping_once(text: str) -> None:
    escaped = ESCAPE(text)

    assert [token for token in SPECIALS if len(token) > 1 and token in escaped] == []
    assert ESCAPE(escaped) == escaped
    assert escaped.replace(" ", "") == text.replace(" ", "")


def test_without_special_tokens_nothing_changes() -> None:
    assert special_token_escape([])("<|im_end|>") == "<|im_end|>"
