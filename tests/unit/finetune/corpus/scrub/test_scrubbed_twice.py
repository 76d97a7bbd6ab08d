# SPDX-License-Identifier: Apache-2.0
"""Scrubbing twice changes nothing: values of many shapes, in every reading, by one of the same town."""

import base64
import random
import string
from collections.abc import Callable

import pytest
from written_values import READINGS

from node0.finetune.corpus.scrub.surrogates import Surrogates
from node0.finetune.corpus.scrub.text_scrubber import TextScrubber

KEYS = 12
LETTERS = string.ascii_letters + string.digits
SIGNS = LETTERS + "+/!#$%^*&|=:;.,-_~"
PLACES = {
    "json": '{{"password": "{}"}}',
    "yaml": "password: {}",
    "variable": "DB_PASSWORD={}",
    "quoted": "secret='{}'",
    "option": "--password {}",
    "netrc": "login me password {}",
    "bearer": "Authorization: Bearer {}",
}


def drawn(rng: random.Random, signs: str, least: int, most: int) -> str:
    return "".join(rng.choices(signs, k=rng.randint(least, most)))


SHAPES: dict[str, Callable[[random.Random], str]] = {
    "base64": lambda rng: drawn(rng, LETTERS + "+/", 30, 90),
    "padded": lambda rng: base64.b64encode(rng.randbytes(rng.randint(14, 60))).decode(),
    "base64url": lambda rng: drawn(rng, LETTERS + "-_", 20, 90),
    "token": lambda rng: drawn(rng, LETTERS, 16, 60),
    "hex": lambda rng: drawn(rng, string.hexdigits[:16], 16, 64),
    "in three parts": lambda rng: ".".join(drawn(rng, LETTERS + "-_", 16, 40) for _ in range(3)),
    "login": lambda rng: f"postgres://u:{drawn(rng, LETTERS + '+%', 12, 30)}@db.host.net:5432/x",
    "assigned": lambda rng: f"DB_PASSWORD={drawn(rng, LETTERS + '+/!#$%^*', 10, 40)}",
}


def scrubber(key: int) -> TextScrubber:
    return TextScrubber(surrogates=Surrogates(f"the key of town {key}".encode()))


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("shape", SHAPES)
def test_what_was_made_up_stays_in_every_reading(shape: str, reading: str) -> None:
    rng = random.Random(f"{shape} in {reading}")
    for key in range(KEYS):
        once, _ = scrubber(key).scrub(READINGS[reading](SHAPES[shape](rng)))

        assert scrubber(key).scrub(once) == (once, [])


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("length", [12, 24, 48])
def test_what_was_made_up_for_a_password_of_all_signs_stays(place: str, length: int) -> None:
    rng = random.Random(f"{length} in {place}")
    for key in range(KEYS):
        once, _ = scrubber(key).scrub(PLACES[place].format(drawn(rng, SIGNS, length, length)))

        assert scrubber(key).scrub(once)[0] == once


@pytest.mark.parametrize("seed", range(8))
def test_what_stands_beside_a_surrogate_is_looked_at_by_itself(seed: int) -> None:
    rng = random.Random(seed)
    shown, _ = scrubber(seed).scrub(f"got {drawn(rng, LETTERS, 24, 40)} once")
    surrogate = shown.split()[1]
    fresh = drawn(rng, LETTERS, 24, 40)

    for joint in ("/", "+", "-", "_", ".", "%2F", "\\n", ":"):
        scrubbed, _ = scrubber(seed).scrub(f"got {surrogate}{joint}{fresh} once")
        assert fresh not in scrubbed
