# SPDX-License-Identifier: Apache-2.0
"""One kind of secret: where to look for it, what it looks like, and who judges a match."""

import re
from dataclasses import dataclass, replace
from typing import TypedDict, Unpack

from node0.finetune.corpus.scrub.rules.judges import Judge, token

LONG_WORD = 15
"Characters; fewer are searched nowhere for a token that is one word."

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
WORD = LETTERS + "_"
PRINTED = "".join(map(chr, range(32, 127)))
START = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt]))"
"Where a short prefix may begin, also after an escaped newline."


@dataclass(frozen=True, eq=False)
class SecretRule:
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

    after: str = ""
    "Characters of which one follows the anchor; empty where any may."

    length: int = 0
    "Characters of a whole one; 0 where they vary."

    in_line: bool = False
    "Looked for in lines as they stand only, for what it finds ends where a line does."


class Options(TypedDict, total=False):
    """The fields of a `SecretRule` that most rules leave alone."""

    fold: bool
    needs: tuple[str, ...]
    before: str
    reach: int
    after: str
    length: int
    in_line: bool


def make_rule(
    kind: str, anchors: str, pattern: str, judge: Judge = token, **options: Unpack[Options]
) -> SecretRule:
    """A row of a rule table; anchors are separated by spaces, and ␣ stands for one."""
    flags = re.IGNORECASE if options.get("fold") else re.NOFLAG
    words = tuple(anchor.replace("␣", " ") for anchor in anchors.split())
    return SecretRule(kind, words, re.compile(pattern, flags | re.ASCII), judge, **options)


def make_token(
    kind: str, anchors: str, pattern: str, judge: Judge = token, **options: Unpack[Options]
) -> SecretRule:
    """A row for a token that is one long word."""
    return replace(make_rule(kind, anchors, pattern, judge, **options), compact=True)
