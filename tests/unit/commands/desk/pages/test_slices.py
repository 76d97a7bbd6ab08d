# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node0.commands.desk.pages.slices import Piece, cut, page_number, sliced
from node0.errors import ConfigError


def test_a_page_holds_no_more_rows_than_it_may_and_the_last_one_the_rest() -> None:
    rows = list(range(120))

    assert sliced(rows, 1, size=50).rows == rows[:50]
    assert sliced(rows, 3, size=50) == (rows[100:], 3, 3, 120)
    assert sliced(rows, 99, size=50).number == 3
    assert sliced([], 1) == ([], 1, 1, 0)


@pytest.mark.parametrize("text", ["0", "-1", "two", "", "1e3", "9" * 5000, "٣"])
def test_a_page_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="page"):
        page_number(text)


def test_a_piece_that_began_on_an_earlier_page_has_its_title_again() -> None:
    pieces = [Piece("user", "abcdef"), Piece("", "ghi", trained=True), Piece("assistant", "jk")]

    first, second, third = (cut(pieces, number, size=4).rows for number in (1, 2, 3))

    assert first == [Piece("user", "abcd")]
    assert second == [Piece("user", "ef"), Piece("", "gh", trained=True)]
    assert third == [Piece("user", "i", trained=True), Piece("assistant", "jk")]


def test_a_turn_without_words_is_shown_by_its_title() -> None:
    assert cut([Piece("user", ""), Piece("assistant", "")], 1).rows == [
        Piece("user", ""),
        Piece("assistant", ""),
    ]
    assert cut([], 1).rows == []


@given(
    texts=st.lists(st.tuples(st.sampled_from(["", "user"]), st.text(max_size=9))),
    size=st.integers(1, 7),
)
def test_the_pages_together_are_the_whole_text(texts: list[tuple[str, str]], size: int) -> None:
    pieces = [Piece(title, text) for title, text in texts]
    last = cut(pieces, 1, size=size).last
    pages = [cut(pieces, number, size=size).rows for number in range(1, last + 1)]

    assert "".join(piece.text for page in pages for piece in page) == "".join(text for _, text in texts)
    assert all(sum(len(piece.text) for piece in page) <= size for page in pages)
