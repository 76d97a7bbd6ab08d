# SPDX-License-Identifier: Apache-2.0
import re

import pytest

from node0.finetune.corpus.scrub.anchors import find_anchors
from node0.finetune.corpus.scrub.broken_tokens import broken_tokens, is_whole_before_break
from node0.finetune.corpus.scrub.finding import Finding, Tier
from node0.finetune.corpus.scrub.joined_lines import joined_lines

TOKEN = "ghp_0123456789abcdefABCDEF0123456789wxyz"


def found_over_breaks(text: str) -> list[str]:
    joined = joined_lines(text)
    assert joined
    found = broken_tokens(find_anchors(text), joined)
    return [text[slice(*joined.view.span(one.start, one.end))] for one in found]


@pytest.mark.parametrize("cut", [2, 12, 24, 36])
def test_a_token_of_two_lines_is_found_whole(cut: int) -> None:
    broken = f"{TOKEN[:cut]}\n{TOKEN[cut:]}"

    assert broken in found_over_breaks(f"use {broken}\nnow")


def test_a_whole_token_is_not_stretched_over_the_word_on_the_next_line() -> None:
    assert found_over_breaks(f"a b {TOKEN}\nrefinery") == []


def test_a_heading_and_the_line_below_it_are_left_to_the_rule_that_sees_both() -> None:
    assert found_over_breaks("the pass9word\naB3dE5gH7jK9mN1pQ3") == []


def test_a_detector_is_content_with_what_stands_before_a_break() -> None:
    def detect(text: str):  # type: ignore[no-untyped-def]  # a generator of two lines
        for match in re.finditer(r"hull-[a-z0-9]{6,}", text):
            yield Finding("hull", Tier.REDACT, *match.span())

    joined = joined_lines("see hull-a1b2c3\nrefinery")
    longer = joined_lines("see hull-a1b2c3\nq7w8e9")

    assert joined
    assert longer
    assert is_whole_before_break(detect, next(detect(joined.view.text)), joined)
    assert not is_whole_before_break(detect, next(detect(longer.view.text)), longer)
