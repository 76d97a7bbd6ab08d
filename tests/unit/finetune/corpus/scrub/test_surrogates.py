# SPDX-License-Identifier: Apache-2.0
import random
import re
import string
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import iban, luhn

from node0.finetune.corpus.scrub.surrogates import ALPHABETS, BASE62, Surrogates, fits

OURS, THEIRS = Surrogates(b"our key"), Surrogates(b"their key")
HEX = "0123456789abcdef"


def draws(alphabet: str, length: int, *, count: int = 200) -> list[str]:
    rng = random.Random(f"{alphabet} {length}")
    return ["".join(rng.choices(alphabet, k=length)) for _ in range(count)]


@pytest.mark.parametrize("length", [12, 16, 40, 90])
@pytest.mark.parametrize("alphabet", [*ALPHABETS[1:], BASE62 + "-_", BASE62 + "+/"])
def test_a_surrogate_has_the_length_and_the_alphabet_of_its_value(alphabet: str, length: int) -> None:
    for value in filter(fits, draws(alphabet, length)):
        surrogate = OURS.of(value)

        assert surrogate != value
        assert len(surrogate) == length
        assert set(surrogate) <= set(alphabet)
        assert re.sub("[A-Za-z0-9]", "x", surrogate) == re.sub("[A-Za-z0-9]", "x", value)


@pytest.mark.parametrize("length", [12, 16, 40, 90])
@pytest.mark.parametrize("alphabet", ALPHABETS[1:])
def test_the_key_tells_surrogates_from_all_other_values(alphabet: str, length: int) -> None:
    values = [value for value in draws(alphabet, length, count=1000) if fits(value)]

    assert all(OURS.is_own(OURS.of(value)) for value in values)
    assert not any(OURS.is_own(value) or THEIRS.is_own(OURS.of(value)) for value in values)


def test_the_same_key_gives_the_same_surrogate_and_another_one_another() -> None:
    values = draws(BASE62, 24)

    assert [Surrogates(b"our key").of(value) for value in values] == [OURS.of(value) for value in values]
    assert not {OURS.of(value) for value in values} & {THEIRS.of(value) for value in values}
    assert len({OURS.of(value) for value in values}) == len(values)
    assert OURS.identity != THEIRS.identity


@given(st.text(HEX, min_size=40, max_size=40), st.integers(12, 39))
def test_the_beginning_of_a_hash_becomes_the_beginning_of_its_surrogate(value: str, length: int) -> None:
    short = value[:length]
    if set(short) <= set(string.digits) or set(value) <= set(string.digits):
        return

    assert OURS.of(value).startswith(OURS.of(short))


@pytest.mark.parametrize("shared", [4, 30, 200])
def test_a_value_and_its_surrogate_do_not_undo_another_of_the_same_beginning(shared: int) -> None:
    beginning = draws(BASE62, shared, count=1)[0]
    known, *others = (beginning + rest for rest in draws(BASE62, 30))
    away = [
        BASE62.index(new) - BASE62.index(old)
        for old, new in zip(known[shared:], OURS.of(known)[shared:], strict=True)
    ]

    guessed = right = 0
    for value in others:
        guess = [
            BASE62[(BASE62.index(new) - step) % 62]
            for new, step in zip(OURS.of(value)[shared:], away, strict=True)
        ]
        guessed += len(guess)
        right += sum(one == other for one, other in zip(guess, value[shared:], strict=True))

    assert right < guessed / 30


def test_many_values_have_one_surrogate_so_that_the_key_undoes_none() -> None:
    beginning = draws(BASE62, 30, count=1)[0]
    surrogates = {OURS.of(beginning + sign + other)[30] for sign in BASE62 for other in "ab"}

    assert len(surrogates) <= 4


@pytest.mark.parametrize("prefix", ["ghp_", "gho_", "npm_"])
def test_a_tokens_checksum_is_valid(prefix: str) -> None:
    for value in draws(BASE62, 36):
        surrogate = OURS.of(prefix + value)
        number = 0
        for sign in surrogate[-6:]:
            number = number * 62 + BASE62.index(sign)

        assert surrogate.startswith(prefix)
        assert number == zlib.crc32(surrogate[4:-6].encode())
        assert OURS.is_own(surrogate)


@pytest.mark.parametrize("card", ["4111 1111 1111 1111", "5500005555555559", "3400 0000 0000 009"])
def test_a_card_keeps_its_network_and_its_check_digit(card: str) -> None:
    surrogate = OURS.of(card)

    assert luhn.is_valid(surrogate.replace(" ", ""))
    assert surrogate[:2] == card[:2]
    assert [place for place, sign in enumerate(surrogate) if sign == " "] == [
        place for place, sign in enumerate(card) if sign == " "
    ]
    assert OURS.is_own(surrogate)
    assert not OURS.is_own(card)


@pytest.mark.parametrize(
    "account", ["DE89370400440532013000", "GB82 WEST 1234 5698 7654 32", "NL91ABNA0417164300"]
)
def test_an_account_keeps_its_country_and_its_check_digits(account: str) -> None:
    surrogate = OURS.of(account)

    assert iban.is_valid(surrogate, check_country=False)
    assert surrogate[:2] == account[:2]
    assert OURS.is_own(surrogate)


def test_an_identifier_keeps_version_and_variant() -> None:
    surrogate = OURS.of("123e4567-e89b-42d3-a456-426614174000")

    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}", surrogate)


@pytest.mark.parametrize(
    "value", ["AKIAIOSFODNN7ABCDEFG", "sk-ant-api03-" + "aB3" * 30, "hvs." + "aB3dE5gH7j" * 9]
)
def test_a_public_prefix_stays(value: str) -> None:
    kept = re.match(r"AKIA|sk-ant-api03-|hvs\.", value)

    assert kept
    assert OURS.of(value).startswith(kept.group())


def test_a_salt_gives_another_surrogate_that_is_ours_too() -> None:
    surrogates = {OURS.of("aB3dE5gH7jK9mN1pQ3", salt) for salt in range(5)}

    assert len(surrogates) == 5
    assert all(OURS.is_own(surrogate) for surrogate in surrogates)


@pytest.mark.parametrize(
    "value", ["short1", "two words and more", 'a"b' * 9, "", "é" * 20, "-----------------"]
)
def test_what_cannot_be_replaced_sign_by_sign_does_not_fit(value: str) -> None:
    assert not fits(value)


@given(st.text(max_size=80))
def test_any_text_can_be_asked_about(text: str) -> None:
    assert not OURS.is_own(text)
    if fits(text):
        assert OURS.is_own(OURS.of(text))
