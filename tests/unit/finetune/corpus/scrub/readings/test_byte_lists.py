# SPDX-License-Identifier: Apache-2.0
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node0.finetune.corpus.scrub.readings.byte_lists import listed_bytes, rewritten

TEXT = "the harbor's password is here"
DATA = TEXT.encode()
FORMS = {
    "spaces": DATA.hex(" "),
    "capitals": DATA.hex(" ").upper(),
    "colons": DATA.hex(":"),
    "dashes": DATA.hex("-"),
    "C": ", ".join(f"0x{byte:02x}" for byte in DATA),
    "C over lines": ",\n  ".join(f"0x{byte:02X}" for byte in DATA),
    "numbers": ", ".join(map(str, DATA)),
    "a Buffer of node": ",".join(map(str, DATA)),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_list_of_bytes_is_read_where_it_stands(form: str) -> None:
    text = f"see [{FORMS[form]}] and go on"

    (blob,) = listed_bytes(text, ())

    assert (blob.text, text[blob.start : blob.end]) == (TEXT, FORMS[form])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("word", ["", "x", "harbor", "a much longer word than it was"])
def test_a_list_is_written_in_its_form_whatever_its_new_length(form: str, word: str) -> None:
    changed = rewritten(FORMS[form], lambda text: text.replace("password", word))

    assert changed
    (blob,) = listed_bytes(f"({changed})", ())
    assert blob.text == TEXT.replace("password", word)


def test_what_does_not_change_is_not_written() -> None:
    assert rewritten(FORMS["spaces"], str) is None
    assert rewritten("no list", str.upper) is None


@pytest.mark.parametrize(
    "text", ["2026-11-26 07:57:19", "1, 2, 3, 4, 5, 6, 7", "de:ad:be:ef:00:01", "61 62 300 4"]
)
def test_numbers_dates_and_addresses_are_no_text(text: str) -> None:
    assert list(listed_bytes(text, ())) == []


@given(st.text(alphabet="0123456789abcfx ,:-\n", max_size=200))
def test_any_text_is_searched_and_places_lie_inside_it(text: str) -> None:
    assert all(0 <= blob.start < blob.end <= len(text) for blob in listed_bytes(text, ()))


@given(st.lists(st.integers(0, 400), min_size=6), st.sampled_from([", ", ","]))
def test_any_numbers_are_read_or_not_but_never_raise(numbers: list[int], between: str) -> None:
    assert rewritten(between.join(map(str, numbers)), lambda text: text) is None
    assert json.loads(f"[{between.join(map(str, numbers))}]") == numbers
