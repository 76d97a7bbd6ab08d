# SPDX-License-Identifier: Apache-2.0
import json
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node0.finetune.corpus.scrub.views import View, ViewBuilder, decoded_views

PIECES = st.sampled_from(
    ["%3D", "%E2%82", "%", "+", "\\u003d", "\\x5f", "\\/", "\x1b[0m", "\u200b", "&#95;", "&amp;", '" + "']
)
TEXTS = st.lists(st.one_of(PIECES, st.text(max_size=8)), max_size=16).map("".join)


def place_of(view: View, words: str, original: str) -> str:
    start = view.text.index(words)
    first, last = view.span(start, start + len(words))
    return original[first:last]


@pytest.mark.parametrize(
    ("original", "decoded", "place"),
    [
        ("q=a%5Fb%5Fc end", "a_b_c", "a%5Fb%5Fc"),
        ("q=caf%C3%A9 x", "caf\u00e9", "caf%C3%A9"),
        (r'{"k": "a\u005fb"}', "a_b", r"a\u005fb"),
        (r"x a\x5fb y", "a_b", r"a\x5fb"),
        ("to\x1b[1mken\x1b[0m done", "token", "to\x1b[1mken"),
        ("to\u200bken", "token", "to\u200bken"),
        ("a&#95;b &amp; c", "a_b", "a&#95;b"),
        ('key = "abc" + "def"', "abcdef", 'abc" + "def'),
    ],
)
def test_a_decoded_place_leads_back_to_how_it_was_written(original: str, decoded: str, place: str) -> None:
    view = next(view for view in decoded_views(original) if decoded in view.text)

    assert place_of(view, decoded, original) == place


def test_a_plus_in_a_query_string_is_read_as_itself_and_as_a_space() -> None:
    texts = [view.text for view in decoded_views("q=a+b%3D")]

    assert [("a+b=" in text, "a b=" in text) for text in texts] == [(True, False), (False, True)]


@pytest.mark.parametrize("text", ["", "plain words", "100 % sure + more", 'a "b" & c', "C:\\temp"])
def test_a_text_without_an_encoding_has_no_other_reading(text: str) -> None:
    assert list(decoded_views(text)) == []


@given(TEXTS)
def test_any_text_is_read_and_every_piece_leads_into_the_original(text: str) -> None:
    for view in decoded_views(text):
        for at in range(len(view.text)):
            start, end = view.span(at, at + 1)
            assert 0 <= start <= end <= len(text)


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=30))
def test_a_copied_character_stands_where_the_way_back_says(text: str) -> None:
    original = urllib.parse.quote(json.dumps(text), safe="")
    for view in decoded_views(original):
        for span in view.mapping:
            if span.copied:
                length = span.end - span.start
                assert view.text[span.at : span.at + length] == original[span.start : span.end]


def test_a_view_is_built_of_copies_and_of_what_stands_for_something() -> None:
    builder = ViewBuilder("a%5Fb")
    builder.copy(0, 1)
    builder.decoded("_", 1, 4)
    builder.decoded("", 4, 4)
    builder.copy(4, 5)

    view = builder.view()

    assert view.text == "a_b"
    assert [view.span(0, 1), view.span(1, 2), view.span(1, 3)] == [(0, 1), (1, 4), (1, 5)]
