# SPDX-License-Identifier: Apache-2.0
"""One kind of secret: where to look, what it looks like, and the judges that most kinds share."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from node0.finetune.corpus.scrub.finding import Tier
from node0.finetune.corpus.scrub.rules.values import (
    DIGEST,
    IDENTIFIER,
    is_example,
    looks_random,
    mixes_cases,
    stands_for_a_value,
)

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
WORD = LETTERS + "_"
START = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt]))"
"Where a short prefix may begin, also after an escaped newline."

SCHEME = re.compile(r"^(?:bearer|basic|token)(?=\W)", re.IGNORECASE)
Judge = Callable[[re.Match[str]], Tier | None]


@dataclass(frozen=True)
class Rule:
    """One kind of secret.

    The group `secret` of the pattern is what goes; without one, the whole match.
    """

    kind: str
    anchors: tuple[str, ...]
    pattern: re.Pattern[str]
    judge: Judge
    fold: bool = False
    "Anchors are lower case and found in either case."

    needs: tuple[str, ...] = ()
    "Without one of these in the text, in the anchors' case, nothing is looked for."

    compact: bool = False
    "All of it, the anchor too, is one word of at least LONG_WORD characters."

    before: str = ""
    "Characters that belong to the match when they stand before the anchor."

    reach: int = 0
    "How many of them are looked at."

    length: int = 0
    "Characters of a whole one; 0 where they vary."


LONG_WORD = 15


def secret_of(match: re.Match[str]) -> str:
    """What would go."""
    return match.group("secret") if "secret" in match.re.groupindex else match.group()


def token(match: re.Match[str]) -> Tier | None:
    """A token with a known prefix: redact, unless it is somebody's example."""
    return Tier.KEEP if is_example(secret_of(match)) else Tier.REDACT


def random_token(match: re.Match[str]) -> Tier | None:
    """As `token`, for formats whose prefix is an ordinary word too."""
    value = secret_of(match)
    return token(match) if looks_random(value) or mixes_cases(value) else None


def opaque(match: re.Match[str]) -> Tier | None:
    """Anything that is not a variable or a placeholder."""
    value = SCHEME.sub("", secret_of(match))
    return Tier.KEEP if stands_for_a_value(value) else Tier.REDACT


def header_value(match: re.Match[str]) -> Tier | None:
    """As `opaque`, where prose may stand too: words say nothing."""
    value = secret_of(match)
    return None if IDENTIFIER.fullmatch(value) and len(value) < 24 else opaque(match)


def unnamed(match: re.Match[str]) -> Tier | None:
    """A random value under a name that says little; digests have such names too."""
    return None if DIGEST.fullmatch(secret_of(match)) else random_token(match)


def make_rule(kind: str, anchors: str, pattern: str, judge: Judge = token, **options: object) -> Rule:
    """A rule of the table; anchors are separated by spaces, and ␣ stands for one."""
    flags = re.IGNORECASE if options.get("fold") else re.NOFLAG
    words = tuple(anchor.replace("␣", " ") for anchor in anchors.split())
    return Rule(kind, words, re.compile(pattern, flags | re.ASCII), judge, **options)  # type: ignore[arg-type]


def make_token(kind: str, anchors: str, pattern: str, judge: Judge = token, **options: object) -> Rule:
    """A rule for a token that is one long word."""
    return make_rule(kind, anchors, pattern, judge, compact=True, **options)
