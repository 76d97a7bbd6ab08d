# SPDX-License-Identifier: Apache-2.0
"""Tell names that people make of words from strings that a generator made.

A string is scored by the log of a likelihood ratio, in bits, pair of characters by pair: how much likelier
the pair is in an identifier than in a uniform draw from the alphabet. Above zero it reads as words. The
weights were counted in the identifiers of this project's Python dependencies, rounded and cut off, so that
no single odd pair decides.
"""

import itertools
import operator
import re
import string
from functools import lru_cache

PAIRS = (
    "05650160502766250767533240",
    "50106000320500300430400020",
    "60206016305510720536400020",
    "50047020600310410221300020",
    "63674440302667344777242631",
    "40004400600300600322400000",
    "40006022400422220441300010",
    "50005000400010400203200020",
    "54654550001557740366040305",
    "10003000000000000010000000",
    "11005000200100000020102000",
    "62237200600540520035420040",
    "64206100500342650142410000",
    "60666560502313540177340010",
    "34562340424667550745634200",
    "60026004400500640635510020",
    "00000000000000000000502000",
    "72447240603254730555330040",
    "50507304603232560167503040",
    "70417105700221650655401050",
    "34335220300546140556000000",
    "50006000500300300000000000",
    "40004000500002300330000000",
    "00203000300100030005000000",
    "02003000000124240023000000",
    "30004000100000000000000000",
)
"For each first letter, the weight of each second one in bits, plus 4; in either case."

MIDDLE = 4
MIXED = {
    "ll": 2.0,
    "lU": -0.8,
    "Ul": -0.3,
    "UU": -2.7,
    "ld": -4.2,
    "dl": -5.7,
    "Ud": -5.6,
    "dU": -4.1,
    "dd": -0.5,
}
"Weight of a lower or upper letter or a digit (l, U, d) after another, where both cases occur."

SINGLE = {"ll": 0.4, "ld": -5.8, "dl": -7.2, "dd": -2.0}
"As MIXED, where one case occurs."

STEPS_IN_ORDER = 0.5
"Share of neighbours in the alphabet from which on a string is a sequence, such as abcdef012345."

SHORTEST = 7
"Characters; fewer tell nothing."

TERM = re.compile(
    r"(?=[a-cf-imortuwlsvx])(?:utf|latin|base|u?int|float|bf|fp|sha|md|crc|aes|rsa|ipv|http|oauth|tls|ssl|x(?=509|86)|arm|amd|win|mp|gpt|llama)"
    r"(?:\d{1,2}|128|256|384|509|512|1024|2048|4096)(?!\d)|(?<![a-z])[vV]\d(?!\d)",
    re.IGNORECASE,
)
"Terms of the trade that end with digits: they are words, and add nothing."

ACRONYM = re.compile(
    r"(?:HTTPS?|JSON|HTML|XML|YAML|TOML|CSS|CSV|URL|URI|SQL|API|UUID|TLS|SSL|TCP|UDP|DNS|CPU|GPU|SSH|JWT|RPC|PDF"
    r"|AES|CBC|ECB|GCM|PKCS|OAEP|MGF|RSA|HMAC|SHA)"
    r"(?=[A-Z0-9]|\b)"
)
"In names of several words; random strings seldom have one."

LONGEST_NAME = 128
FEWEST_SIGNS = 6
PIECE = re.compile(r"[A-Za-z0-9]+")


def reads_as_words(value: str) -> bool:
    """Whether every piece between signs is likelier an identifier, a number or a sequence than random."""
    return not any(is_generated(piece) for piece in PIECE.findall(value))


@lru_cache(maxsize=65536)
def is_generated(piece: str) -> bool:
    """Whether letters and digits without signs are likelier a random draw than an identifier."""
    if len(piece) < SHORTEST or piece.isdigit() or len(set(piece)) < FEWEST_SIGNS:
        return False
    codes = list(map(ord, piece))
    if list(map(operator.sub, codes[1:], codes)).count(1) >= STEPS_IN_ORDER * len(piece):
        return False
    return word_evidence(piece) < 0


def word_evidence(value: str) -> float:
    """The log likelihood ratio of identifier against random draw, in bits; signs add nothing."""
    if len(value) <= LONGEST_NAME:
        value = TERM.sub(" ", value)
    mixed = value.upper() != value != value.lower()
    if mixed and len(value) <= LONGEST_NAME:
        value = ACRONYM.sub(" ", value)
    weights = _weights(mixed)
    text = value if mixed else value.lower()
    return sum(map(weights.get, itertools.pairwise(text), itertools.repeat(0.0)))


@lru_cache(maxsize=2)
def _weights(mixed: bool) -> dict[tuple[str, str], float]:
    letters = string.ascii_letters if mixed else string.ascii_lowercase
    signs = letters + string.digits
    classes = MIXED if mixed else SINGLE
    return {
        (one, two): classes[_class(one) + _class(two)] + _pair(one, two) for one in signs for two in signs
    }


def _class(sign: str) -> str:
    if sign.isdigit():
        return "d"
    return "l" if sign.islower() else "U"


def _pair(one: str, two: str) -> int:
    """What two letters of one word add; a capital after a small letter begins another word."""
    if not (one.isalpha() and two.isalpha()) or (one.islower() and two.isupper()):
        return 0
    row = PAIRS[ord(one.lower()) - ord("a")]
    return int(row[ord(two.lower()) - ord("a")]) - MIDDLE
