# SPDX-License-Identifier: Apache-2.0
from hypothesis import given
from hypothesis import strategies as st

from node0.commands.desk.pages.marked_text import Span, spans


def test_placeholders_and_uncertain_values_are_marked_and_the_longer_value_wins() -> None:
    text = "mail [EMAIL_1] from /home/USER_2 with [REDACTED:api-key] or dolphinswim and dolphin"

    assert [one for one in spans(text, ["dolphin", "dolphinswim"]) if one.kind] == [
        Span("[EMAIL_1]", "redacted"),
        Span("USER_2", "redacted"),
        Span("[REDACTED:api-key]", "redacted"),
        Span("dolphinswim", "uncertain"),
        Span("dolphin", "uncertain"),
    ]


def test_a_value_is_looked_for_as_it_is_and_an_empty_one_not_at_all() -> None:
    assert list(spans("a.b(c axb", ["a.b(", ""])) == [Span("a.b(", "uncertain"), Span("c axb")]


@given(text=st.text(), values=st.lists(st.text(max_size=4), max_size=4))
def test_the_spans_together_are_the_text(text: str, values: list[str]) -> None:
    assert "".join(span.text for span in spans(text, values)) == text
