# SPDX-License-Identifier: Apache-2.0
import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node0.finetune.corpus.scrub.finding import Finding, Tier
from node0.finetune.corpus.scrub.lookalikes import (
    ALIKE_AMONG_OURS,
    AMONG_OURS,
    KIND,
    OURS,
    lookalikes,
    without_covered,
)
from node0.finetune.corpus.scrub.surrogates import Surrogates
from node0.finetune.corpus.scrub.text_scrubber import TextScrubber

BASE62 = string.ascii_letters + string.digits
STAY = [
    "/srv/gt/demo/src/app.py and polecat/toast-mh8d2x and gt-demo-polecat-toast-mh8d2x",
    "TestParseV2HTTPServer3WithIPv6 and MAX_POSITION_EMBEDDINGS_V2_8B",
    "20260105T061700Z and 2026-11-23T21:57:01.725Z and 1795471021528000",
    "claude-sonnet-4-20250514 and v0.0.0-20230101120000-abcdef123456 and x86_64-unknown-linux-gnu",
    "src/node0/finetune/corpus/scrub/lookalikes.py and refs/heads/polecat/toast-mh8d2x",
    "abcdefghijklmnopqrstuvwxyz0123456789 and aaaaaaaaaaaaaaaaaaaaaaaa",
    "the-quick-brown-fox-jumps-over-the-lazy-dog and internationalization",
    "AES/GCM/PKCS1Padding and RSA/ECB/OAEPWithSHA-256AndMGF1Padding and HMAC-SHA512/256-PKCS12",
    "3487495895819393123L and -8126301773649025117L and 12345678901234567890ull and 98765432109876543n",
]


def found(text: str) -> list[str]:
    words = [word for word in text.split() if len(word) >= 15]
    return [text[one.start : one.end] for one in lookalikes(text, words, [])]


@pytest.mark.parametrize("text", STAY)
def test_words_paths_versions_dates_and_names_stay(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "alphabet", [BASE62, "0123456789abcdef", string.ascii_uppercase + "234567", BASE62 + "-_", BASE62 + "+/"]
)
@pytest.mark.parametrize("around", ["{}", "x = {};", "<{}>", "a/b: {},", "key={}&", "\\n{}\\n", "%3D{}%20"])
def test_random_strings_are_found_whatever_stands_around(alphabet: str, around: str) -> None:
    rng = random.Random(f"{alphabet} {around}")
    missed = 0
    for _ in range(300):
        middle = "".join(rng.choices(alphabet, k=30))
        value = f"a{middle}Z" if alphabet != "0123456789abcdef" else f"a{middle}0"
        kept = around.format(value)
        for one in found(kept):
            kept = kept.replace(one, "")
        missed += any(value[at : at + 6] in kept for at in range(len(value) - 5))

    assert missed <= 9


def test_a_hash_in_a_path_goes_and_the_path_stays() -> None:
    assert found(".git/objects/ab/3f786850e387550fdab836ed7e6dc881de2300") == [
        "3f786850e387550fdab836ed7e6dc881de2300"
    ]
    assert found("toolu_01A09q90qw90lq917835lq9") == ["01A09q90qw90lq917835lq9"]
    assert found("id:123e4567-e89b-12d3-a456-426614174000.") == ["123e4567-e89b-12d3-a456-426614174000"]


@pytest.mark.parametrize("escape", ["\\a", "\\n", "\\\\n", "\\u0041", "\\x41", "%41", "\x1b[0m"])
def test_the_letters_of_an_escape_are_none_of_the_stretch(escape: str) -> None:
    assert found(f"{escape}B3dE5gH7jK9mN1pQ3rS5tU7") == ["B3dE5gH7jK9mN1pQ3rS5tU7"]


def test_what_a_rule_knows_some_part_of_is_left_to_it() -> None:
    inside, beside = Finding(KIND, Tier.REDACT, 25, 60), Finding(KIND, Tier.REDACT, 30, 60)
    text = "x" * 25 + "aB3dE5gH7jK9mN1pQ3rS5tU7vW9xY1zA3bC"

    for rule in (
        Finding("github-token", Tier.CANDIDATE, 10, 30),
        Finding(OURS, Tier.KEEP, 10, 30),
        Finding(AMONG_OURS, Tier.KEEP, 10, 30),
    ):
        assert without_covered([inside, beside, rule], text) == [beside, rule]


def test_what_is_part_of_a_surrogate_goes_with_it_whatever_found_it() -> None:
    inside, over = Finding("password", Tier.REDACT, 12, 20), Finding("password", Tier.REDACT, 12, 40)
    text = "x" * 60

    assert without_covered([inside, over, Finding(OURS, Tier.KEEP, 10, 30)], text)[:1] == [over]
    for kind in (AMONG_OURS, ALIKE_AMONG_OURS, "example"):
        other = Finding(kind, Tier.KEEP, 10, 30)
        assert without_covered([inside, over, other], text) == [inside, over, other]


@pytest.mark.parametrize("value", ["aB3dE5gH7jK9mN1pQ3rS5tU7", "1f0e9d8c7b6a51423c4d5e6f70819a2b"])
@pytest.mark.parametrize("text", ["secret=${X:-%s}", "token=example-%s", "api_key: os.environ/%s"])
def test_a_rule_that_lets_something_be_leaves_no_value_that_looks_random(text: str, value: str) -> None:
    scrubber = TextScrubber(surrogates=Surrogates(b"our key"))
    scrubbed, _ = scrubber.scrub(text % value)

    assert value[-8:] not in scrubbed
    assert scrubber.scrub(scrubbed)[0] == scrubbed


def test_an_example_that_a_rule_lets_be_stays() -> None:
    text = "aws_access_key_id = AKIAIOSFODNN7EXAMPLE"

    assert TextScrubber(surrogates=Surrogates(b"our key")).scrub(text)[0] == text


def test_base64_that_holds_text_is_looked_at_by_itself() -> None:
    text = "aB3dE5gH7jK9mN1pQ3rS5tU7 then aB3dE5gH7jK9mN1pQ3rS5tU8"
    words = [text[:24], text[-24:]]

    assert [one.start for one in lookalikes(text, words, [(0, 24)])] == [30]


@given(st.text(max_size=200))
def test_any_text_is_looked_through_in_order(text: str) -> None:
    words = [word for word in text.split() if len(word) >= 15]
    spans = [(one.start, one.end) for one in lookalikes(text, words, [])]

    assert spans == sorted(spans)
    assert all(0 <= start < end <= len(text) for start, end in spans)


@pytest.mark.parametrize(
    "token",
    [
        "oz1buTIQPpMbBxu_FkHu0J-SpaVi-WNyWxcAmq14Ze1",
        "2ZtztL_Btui53lpXiihmRF6VNYGAfa_jrroArglyjdI",
        "w4cdnBCoLSNsPWDAkAG4BOOaQGYk9KsPYs/hq+zn/ukj",
    ],
)
def test_a_piece_that_reads_as_a_word_by_chance_saves_no_token(token: str) -> None:
    assert found(f"is {token} so") == [token]


def test_the_name_of_a_digest_is_no_part_of_it() -> None:
    assert found("sha512-XI5MPzVNApjAyhQzphX8BkmKsKUxD4LdyK24iZeQGinB") == [
        "XI5MPzVNApjAyhQzphX8BkmKsKUxD4LdyK24iZeQGinB"
    ]


def test_a_long_number_of_hex_keeps_what_says_that_it_is_hex() -> None:
    assert found("at 0x9f86d081884c7d65 in frame") == ["9f86d081884c7d65"]
