# SPDX-License-Identifier: Apache-2.0
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node0.visible import visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]52;c;cm0gLXJm\x07", "\\x1b]52;c;cm0gLXJm\\x07"),
        ("a\x9b2Jb", "a\\x9b2Jb"),
        ("safe\rharm", "safe\\x0dharm"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\ud83d", "\\ud83d"),
        ("say \U000e0068\U000e0069", "say \\U000e0068\\U000e0069"),
    ],
)
def test_what_steers_a_terminal_is_spelled_out(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize(
    "text", ["", "a\tb\n", "line\r\nline", "naïve 日本語 👩‍💻 שלום", "[red]not markup[/]"]
)
def test_words_of_any_language_stay(text: str) -> None:
    assert visible(text) == text


@given(st.text(st.characters()))
def test_nothing_that_is_left_steers(text: str) -> None:
    shown = visible(text)

    left = {each for each in shown if unicodedata.category(each) in {"Cc", "Cs"}}
    assert left <= {"\t", "\n", "\r"}
    assert "\r" not in shown.replace("\r\n", "")
    assert visible(shown) == shown
    shown.encode()
