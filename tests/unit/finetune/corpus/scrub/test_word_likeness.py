# SPDX-License-Identifier: Apache-2.0
import inspect
import json
import logging
import random
import re
import string
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node0.finetune.corpus.scrub.word_likeness import is_generated, reads_as_words, word_evidence

ALPHABETS = {
    "letters and digits": string.ascii_letters + string.digits,
    "small letters and digits": string.ascii_lowercase + string.digits,
    "hex": "0123456789abcdef",
    "base32": string.ascii_uppercase + "234567",
}


@pytest.mark.parametrize("alphabet", ALPHABETS)
@pytest.mark.parametrize("length", [16, 20, 40])
def test_random_strings_are_told_from_words(alphabet: str, length: int) -> None:
    rng = random.Random(f"{alphabet} {length}")
    draws = ["".join(rng.choice(ALPHABETS[alphabet]) for _ in range(length)) for _ in range(2000)]

    assert sum(is_generated(draw) for draw in draws) >= 0.99 * len(draws)


def test_identifiers_of_the_standard_library_read_as_words() -> None:
    source = "".join(inspect.getsource(module) for module in (logging, textwrap, json, random, inspect))
    names = set(re.findall(r"[A-Za-z_]\w{7,}", source))

    assert len(names) > 300
    assert sum(reads_as_words(name) for name in names) >= 0.99 * len(names)


@pytest.mark.parametrize(
    "text", ["abcdefghijklmnopqrstuvwxyz0123456789", "0123456789abcdef", "aaaaaaaabbbbbbbb", "1795471021528"]
)
def test_sequences_and_numbers_are_not_generated(text: str) -> None:
    assert not is_generated(text)


@given(st.text(max_size=60))
def test_any_text_has_a_finite_evidence(text: str) -> None:
    assert abs(word_evidence(text)) < 1000
    reads_as_words(text)
