# SPDX-License-Identifier: Apache-2.0
from hypothesis import given
from hypothesis import strategies as st

from node0.finetune.corpus.known.window_search import SHORTEST, WindowSearch

STRINGS = st.lists(st.text("abc -", min_size=SHORTEST, max_size=12).filter(str.strip), max_size=8)


@given(STRINGS, st.text("abc -", max_size=80))
def test_every_place_of_every_string_is_found_and_nothing_else(strings: list[str], text: str) -> None:
    wanted = {
        (at, at + len(one), one) for one in strings for at in range(len(text)) if text.startswith(one, at)
    }

    search = WindowSearch(strings)

    assert {tuple(place) for place in search.places(text)} == wanted


@given(STRINGS, st.text("abc -", max_size=40), st.text("abc -", max_size=40))
def test_a_string_that_stands_in_a_text_shows_in_one_of_its_words(
    strings: list[str], before: str, after: str
) -> None:
    search = WindowSearch(strings)

    for one in strings:
        text = before + one + after
        assert search.may_stand_in(text) or any(map(search.shows_in, text.split()))


def test_a_search_for_nothing_is_false() -> None:
    assert not WindowSearch(["short"])
    assert WindowSearch(["longer"])
