# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node0.finetune.corpus.scrub import joined_lines as module
from node0.finetune.corpus.scrub.joined_lines import ANY_BREAK, _lines, is_plain, joined_lines

TOKEN = "ghp_0123456789abcdefABCDEF0123456789wxyz"


@pytest.mark.parametrize("wrap", ["\n", "\\n", "\n    ", "\n| ", "\n# ", " \n\t"])
def test_a_token_that_a_break_cut_is_whole_again(wrap: str) -> None:
    text = f"use {TOKEN[:24]}{wrap}{TOKEN[24:]} now"

    joined = joined_lines(text)

    assert joined
    start = joined.view.text.index(TOKEN)
    first, last = joined.view.span(start, start + len(TOKEN))
    assert text[first:last] == f"{TOKEN[:24]}{wrap}{TOKEN[24:]}"
    assert joined.inside(start, start + len(TOKEN)) == [start + 24]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "one line only",
        "the fox\nand dog\nran off",
        "\n\n\n",
    ],
)
def test_ordinary_lines_are_left_alone(text: str) -> None:
    assert joined_lines(text) is None


def test_of_ordinary_lines_only_the_widest_is_joined_to_the_next() -> None:
    text = "see the notes\nof yesterday for the reason\nand go on\nas before"

    joined = joined_lines(text)

    assert joined
    (at,) = joined.breaks
    assert joined.view.span(at - 6, at + 3) == (text.index("reason"), text.index("and") + 3)


def test_lines_of_the_full_width_are_joined_and_remembered_as_wide() -> None:
    joined = joined_lines("abcdefgh ijklmnop\nqrstuvwx yzabcdef\nshort")

    assert joined
    assert joined.repeated
    assert joined.wide == set(joined.breaks)


def test_a_break_at_the_edge_of_a_place_is_not_inside_it() -> None:
    joined = joined_lines(f"{TOKEN[:24]}\n{TOKEN[24:]}")

    assert joined
    (at,) = joined.breaks
    assert joined.inside(0, at) == joined.inside(at, len(joined.view.text)) == []
    assert joined.inside(at - 1, at + 1) == [at]


@pytest.mark.parametrize("word", ["refinery", "well-known", "src/main.py", "2026-11-25", "abc"])
def test_words_names_and_dates_are_plain(word: str) -> None:
    assert is_plain(word)


@pytest.mark.parametrize("word", ["aB3dE5gH7jK9", "xqzvkwjp", "0123456789abcdef", "x" * 61])
def test_what_no_word_looks_like_is_not_plain(word: str) -> None:
    assert not is_plain(word)


@given(
    st.lists(
        st.one_of(st.sampled_from(["\n", "\\n", " ", TOKEN[:9], "word", "| "]), st.text(max_size=6)),
        max_size=30,
    )
)
def test_any_text_is_joined_and_breaks_lie_in_order_inside_it(parts: list[str]) -> None:
    joined = joined_lines("".join(parts))

    if joined:
        assert joined.breaks == sorted(joined.breaks)
        assert all(0 <= at <= len(joined.view.text) for at in joined.breaks)
        assert joined.wide <= set(joined.breaks)


@given(st.lists(st.sampled_from(["\n", "\\n", "\\r\\n", "\\\\n", "\\r", "a"]), max_size=12))
def test_breaks_are_found_however_they_are_written(pieces: list[str]) -> None:
    text = "".join(pieces)

    lines, starts = _lines(text)

    assert lines == ANY_BREAK.split(text)
    assert starts == [0, *(found.end() for found in ANY_BREAK.finditer(text))]


def test_a_line_of_words_that_is_the_widest_is_joined_only_near_a_name() -> None:
    text = "see the notes\nthe password: correct horse batt\nery\nand so on"

    assert joined_lines(text, ["token"]) is None
    assert joined_lines(text, ["token", "passw"]) == joined_lines(text)


def test_a_token_is_joined_whether_a_name_is_near_or_not() -> None:
    assert joined_lines(f"use {TOKEN[:24]}\n{TOKEN[24:]} now", [])


def test_such_a_line_is_joined_where_its_joined_words_are_told() -> None:
    text = "see the notes\nand then take the amber-bi\nrch home\nand so on"

    assert joined_lines(text, ["token"], is_told=lambda joined: "amber-cobalt" in joined) is None
    assert joined_lines(text, ["token"], is_told=lambda joined: "amber-birch" in joined) == joined_lines(text)


LINES = st.lists(
    st.lists(
        st.sampled_from(
            [
                "word",
                "self.find(x)",
                "12\tdef",
                " ",
                "\t",
                " " * 38,
                "+",
                "| ",
                "> ",
                "\\",
                TOKEN[:9],
                '"',
                "é",
                "\xa0",
                "src/a.py",
            ]
        ),
        max_size=5,
    ).map("".join),
    min_size=2,
    max_size=8,
)


@given(LINES, st.sampled_from(["\n", "\\n"]))
def test_only_breaks_at_which_nothing_is_joined_are_passed_over_at_once(
    lines: list[str], line_break: str
) -> None:
    text = line_break.join(lines)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "_candidates", lambda lines, widths, full: range(len(widths)))
        expected = joined_lines(text)

    assert joined_lines(text) == expected
