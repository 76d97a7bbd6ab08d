# SPDX-License-Identifier: Apache-2.0
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node0.finetune.corpus.scrub.rules.personal.personal_numbers import numbers

UNAVAILABLE = """
import sys
sys.modules[sys.argv[1]] = None
from node0.errors import ScrubberUnavailable
try:
    import node0.finetune.corpus.scrubber
except ScrubberUnavailable as error:
    print(error)
"""


def found_in(text: str) -> list[tuple[str, str]]:
    return [(found.kind, text[found.start : found.end]) for found in numbers(text)]


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        ("phone", "+44 20 7946 0958"),
        ("phone", "(415) 555-2671"),
        ("card", "4111 1111 1111 1111"),
        ("card", "378282246310005"),
        ("card", "3056 930902 5904"),
        ("iban", "GB82 WEST 1234 5698 7654 32"),
        ("iban", "DE89370400440532013000"),
        ("ssn", "078-05-1120"),
    ],
)
def test_a_number_of_a_person_is_found_in_its_place(kind: str, number: str) -> None:
    assert (kind, number) in found_in(f"it is {number}, or so")


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112",
        "4444 4444 4444 4444",
        "1234 5678 9012 3456",
        "GB83 WEST 1234 5698 7654 32",
        "000-12-3456",
        "666-12-3456",
        "912-12-3456",
        "1795471021528",
        "x4111111111111111",
    ],
)
def test_a_number_without_the_form_or_the_check_digits_is_an_id(text: str) -> None:
    assert found_in(text) == []


def test_an_account_ends_where_its_check_digits_say() -> None:
    assert ("iban", "DE89 3704 0044 0532 0130 00") in found_in("DE89 3704 0044 0532 0130 00 AB")


def test_two_spellings_of_a_telephone_have_one_name() -> None:
    first, second = numbers("(415) 555-2671 or 415-555-2671")

    assert first.name == second.name == "4155552671"


@given(st.integers(10**14, 10**15 - 1))
def test_of_ten_last_digits_one_makes_a_card(front: int) -> None:
    body = "4" + str(front)[1:]

    cards = [digit for digit in range(10) if ("card", f"{body}{digit}") in found_in(f"{body}{digit}")]

    assert len(cards) == 1


@given(st.text(alphabet="0123456789 ().-+ABGBDE", max_size=80))
def test_any_text_is_searched_and_places_lie_inside_it(text: str) -> None:
    assert all(0 <= found.start < found.end <= len(text) for found in numbers(text))


@pytest.mark.parametrize("missing", ["phonenumbers", "stdnum"])
def test_scrubbing_that_cannot_run_says_so(missing: str) -> None:
    command = [sys.executable, "-c", UNAVAILABLE, missing]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)

    assert "nothing was stored" in done.stdout
    assert missing in done.stdout


@pytest.mark.parametrize(
    "text",
    [
        "Telefon: 0431/2207714",
        "mobil 0160 9917 4420",
        "手机号 13622047718",
        "電話: 03-5544-2210",
        "my cell is 4157018832",
        "call (415) 701-8832 ext. 221",
        "+49 30 90187 4420, Durchwahl 17",
    ],
)
def test_a_number_behind_its_word_goes_with_its_extension(text: str) -> None:
    kinds = found_in(text)

    assert {kind for kind, _ in kinds} == {"phone"}
    assert max((number for _, number in kinds), key=len) in text
    assert text.endswith(max((number for _, number in kinds), key=len))


@pytest.mark.parametrize(
    "text", ["mobile 1920 1080", "phone 375x812", "tel aviv 2024", "cell 12000000", "hotel 0160991744"]
)
def test_other_numbers_behind_such_words_stay(text: str) -> None:
    assert found_in(text) == []
