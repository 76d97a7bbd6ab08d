# SPDX-License-Identifier: Apache-2.0
"""Say which values of a credential store are looked for everywhere: secrets that are no ordinary words.

What a name calls a secret is one, and so is what the scrubber itself would take out where the store is
printed. A value that is short, a figure, a place or a word would take ordinary text with it: that one stays
to the rules, which see what stands around it.
"""

import re
from collections.abc import Iterable, Iterator

from node0.finetune.corpus.known.credential_pairs import Pair
from node0.finetune.corpus.scrub.finding import Tier
from node0.finetune.corpus.scrub.matcher import Matcher
from node0.finetune.corpus.scrub.rules.handed_over import is_odd
from node0.finetune.corpus.scrub.rules.secret_values import (
    FIGURES,
    PLACES,
    QUANTITY,
    REFERENCE,
    stands_for_a_value,
)
from node0.finetune.corpus.scrub.word_likeness import is_generated, reads_as_words

SAYS_SECRET = re.compile(
    r"pass|pwd|secret|token|cred|auth|cookie|salt|seed|api.?key|(?:^|[_\-.])key$|(?:access|private|signing|encryption|"
    r"master|account|storage|license|webhook|client|shared).?key|key.?data|(?:^|_)(?:dsn|pin|pat|jwt|sid)$|session",
    re.IGNORECASE,
)
NOT_ITSELF = re.compile(
    r"(?:name|file|path|dir|type|uri|host|sock|socket|mode|method|provider|helper|alg|algorithm|version|length|size|ttl|id"
    r"|expiry|expiration|expires(?:.?(?:at|in))?|program|command|cmd|store|format|user|region|scopes?|enabled|limit|count"
    r"|fingerprint|prompt|endpoint|server|service|issuer|email|at|on)$",
    re.IGNORECASE,
)
"Endings of names of what only belongs to a secret."

UNTOLD = "it"
"In place of such a name: what a value is then, it tells by itself."

SHORTEST = 8
SHORTEST_MIXED = 6
"Signs of a value in which at least three kinds are mixed."

SHORTEST_WORDS = 12
"Signs of a value of several words."

SHORTEST_WORD = 20
"Letters of a value that is one word."

LONGEST = 8192
GONE = (Tier.REDACT, Tier.QUARANTINE)
KINDS = ("[a-z]", "[A-Z]", "[0-9]", r"[^A-Za-z0-9\s]")
LOCATION = re.compile(r"[./~]|[A-Za-z]:\\|[A-Za-z][A-Za-z0-9+.-]{1,20}://")


def secret_values(pairs: Iterable[Pair], matcher: Matcher) -> set[str]:
    """The values of these pairs that are looked for everywhere.

    Args:
        pairs: Of any stores.
        matcher: Judges what no name calls a secret.
    """
    return {value for pair in pairs for value in _secrets(pair, matcher) if is_distinct(value)}


def is_distinct(value: str) -> bool:
    """Whether a value is so much its own that it can be taken out wherever it stands."""
    if not SHORTEST_MIXED <= len(value) <= LONGEST or _says_nothing(value):
        return False
    if sum(bool(re.search(kind, value)) for kind in KINDS) >= 3 and re.search(r"\d", value):
        return True
    if len(value) < SHORTEST:
        return False
    if not reads_as_words(value) or is_odd(value):
        return True
    pieces = re.findall(r"[A-Za-z][a-z]+|[A-Z]{2,}|\d+", value)
    return len(value) >= (SHORTEST_WORDS if len(pieces) > 1 else SHORTEST_WORD)


def is_unlike_words(value: str) -> bool:
    """As `is_distinct`, where a rule may have been wrong: no value that is made of words alone."""
    return is_distinct(value) and bool(re.search(r"\d", value) or is_generated(re.sub(r"\W", "", value)))


def _says_nothing(value: str) -> bool:
    if (
        FIGURES.fullmatch(value)
        or QUANTITY.fullmatch(value)
        or REFERENCE.match(value)
        or stands_for_a_value(value)
    ):
        return True
    return len(set(value)) < 5 or bool(PLACES.fullmatch(value) and reads_as_words(value))


def _secrets(pair: Pair, matcher: Matcher) -> Iterator[str]:
    value = pair.value.strip()
    if not SHORTEST_MIXED <= len(value) <= LONGEST or LOCATION.match(value):
        return
    aside = NOT_ITSELF.search(pair.name)
    if SAYS_SECRET.search(pair.name) and not aside:
        yield value
        return
    name = UNTOLD if aside else pair.name
    line = f'{name}="{value}"'
    yield from (
        line[found.start : found.end]
        for found in matcher.findings(line, wide=False)
        if found.tier in GONE and not found.name and found.start > len(name)
    )
