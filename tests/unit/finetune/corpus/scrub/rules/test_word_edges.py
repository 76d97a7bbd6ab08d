# SPDX-License-Identifier: Apache-2.0
import pytest

from node0.finetune.corpus.scrub.rules.word_edges import is_after_escape, is_glued, is_inside_word


@pytest.mark.parametrize(
    ("text", "glued"),
    [
        *((text, False) for text in ("12", " 12 ", "12.", r"\n12", "(12)")),
        *((text, True) for text in ("a12", "12b", "_12", "12_", "-12", "12-", "12.5")),
    ],
)
def test_a_match_is_glued_where_the_token_goes_on(text: str, glued: bool) -> None:
    start = text.index("12")

    assert is_glued(text, start, start + 2, "-.") is glued


def test_a_word_may_begin_after_an_escape_of_json() -> None:
    text = r"first\nsecond"
    at = text.index("second")

    assert is_after_escape(text, at)
    assert not is_inside_word(text, at)
    assert is_inside_word(text, at + 1)
    assert not is_inside_word(text, 0)
