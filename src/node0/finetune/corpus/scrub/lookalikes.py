# SPDX-License-Identifier: Apache-2.0
"""Find what looks random, whatever stands around it: letters and digits, hex, base64, from 16 signs on.

Words, paths, versions, dates and names of things stay: their pieces read as words, or hold only digits.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate

from node0.finetune.corpus.scrub.finding import Finding, Tier
from node0.finetune.corpus.scrub.rules.secret_values import stands_for_a_value
from node0.finetune.corpus.scrub.word_likeness import is_generated, word_evidence

SHORTEST = 16
KIND = "lookalike"
OURS, AMONG_OURS, ALIKE_AMONG_OURS = "surrogate", "surrogates", "lookalikes"
"""The kinds of what is made up already: one value that a rule found, some beside words, and some in what only
looks random; what is one value and only looks random stays `KIND`."""

UUID = re.compile(r"(?<![0-9A-Fa-f])[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?![0-9A-Fa-f])")
UUID_HYPHENS = 4
STRETCH = re.compile(r"[A-Za-z0-9+/_-]{16,}")
NUMBER = re.compile(r"\d+(?:[uUlL]{1,3}|[in]\d{0,2})?")
"A number of a program, also with its type behind it."

PIECE = re.compile(r"[A-Za-z0-9]+")
TELLING_PIECE = 5
"Signs of the shortest piece that must not be left of a random stretch, and that may be a word."

CERTAIN = 3.0
"Bits of evidence from which on a short piece is a word."

CERTAIN_IN_NO_STYLE = 10.0
"The same where capitals stand as in no name."

DIGEST_NAME = re.compile(r"sha(?:1|224|256|384|512)|md5|blake2[bs]")
CHANCE = 4
"Signs of a random stretch for each letter of words with capitals that may stand in it by chance."

IN_STYLE = re.compile(r"[a-z0-9]+|[A-Z0-9]+|[a-z]*(?:[A-Z][a-z0-9]{2,})+")

TIME = re.compile(r"\d{8}[Tt]\d{4,9}Z?")
HEX_NUMBER = re.compile(r"0[xX][0-9A-Fa-f]+")
ESCAPE = re.compile(
    r"\\{1,8}(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|[A-Za-z])"
    r"|%(?:25)*[0-9A-Fa-f]{2}|\x1b\[[0-9;?]{0,32}[A-Za-z]"
)
CACHED = 256
Span = tuple[int, int]


def lookalikes(text: str, words: Sequence[str], taken: Sequence[Span]) -> Iterator[Finding]:
    """Every random-looking stretch.

    Args:
        text: Is looked through word by word.
        words: The long words of the text, in order.
        taken: Stretches of base64 that hold text, in order; what is in them is looked at by itself.
    """
    at = blob = 0
    for word in words:
        at = text.index(word, at)
        for start, end in _spans(word) if len(word) <= CACHED else _find_spans(word):
            while blob < len(taken) and taken[blob][1] <= at + start:
                blob += 1
            if blob == len(taken) or taken[blob][0] >= at + end:
                yield Finding(KIND, Tier.REDACT, at + start, at + end)
        at += len(word)


def without_covered(found: Sequence[Finding], text: str) -> list[Finding]:
    """The findings less what is part of a surrogate, and the lookalikes of which a rule knows some part.

    A rule that lets something be knows a lookalike that is an example or stands for a value, no other: the
    value in `${NAME:-value}` or `example-value` is one.
    """
    alike, ours = (KIND, ALIKE_AMONG_OURS), (OURS, AMONG_OURS)
    of_rules = [one for one in found if one.kind not in alike]
    firm = _Covered(one for one in of_rules if one.tier is not Tier.KEEP or one.kind in ours)
    kept = _Covered(one for one in of_rules if one.tier is Tier.KEEP)
    own = _Covered(one for one in found if one.kind in (KIND, OURS) and one.tier is Tier.KEEP)
    own_alike = _Covered(one for one in found if one.kind in alike and one.tier is Tier.KEEP)

    def is_known(one: Finding) -> bool:
        if one.kind != KIND:
            return one.tier is not Tier.KEEP and own.holds(one)
        if one in firm or (one.tier is not Tier.KEEP and own_alike.holds(one)):
            return True
        return one in kept and stands_for_a_value(text[one.start : one.end])

    return [one for one in found if not is_known(one)]


class _Covered:
    """Places of findings, to be asked which others they touch or hold."""

    def __init__(self, found: Iterable[Finding]) -> None:
        self._known = sorted((one.start, one.end) for one in found)
        self._reach = list(accumulate((end for _, end in self._known), max))

    def __contains__(self, one: Finding) -> bool:
        return self._reach_before(one.end) > one.start

    def holds(self, one: Finding) -> bool:
        """Whether one of them reaches from its start to its end."""
        return self._reach_before(one.start + 1) >= one.end

    def _reach_before(self, at: int) -> int:
        before = bisect_left(self._known, (at, 0))
        return self._reach[before - 1] if before else 0


def _find_spans(word: str) -> tuple[Span, ...]:
    """Where random-looking stretches stand in a word."""
    if "\\" in word or "%" in word or "\x1b" in word:
        # The letters of an escape are none of the stretch.
        word = ESCAPE.sub(lambda found: " " * len(found.group()), word)
    found = [match.span() for match in UUID.finditer(word)] if word.count("-") >= UUID_HYPHENS else []
    for match in STRETCH.finditer(word):
        spans = _of_stretch(match.group(), match.start())
        found += [span for span in spans if not any(one[0] < span[1] and span[0] < one[1] for one in found)]
    return tuple(sorted(found))


_spans = lru_cache(maxsize=32768)(_find_spans)


def _of_stretch(stretch: str, at: int) -> Iterator[Span]:
    """The stretch as a whole where all of it looks random, else its long pieces that do."""
    if max(map(len, PIECE.findall(stretch)), default=0) < SHORTEST and not _is_random(stretch):
        return
    pieces = [
        match
        for match in PIECE.finditer(stretch)
        if not NUMBER.fullmatch(match.group()) and not TIME.fullmatch(match.group())
    ]
    if sum(len(piece.group()) for piece in pieces) < SHORTEST:
        return
    long = [piece for piece in pieces if len(piece.group()) >= SHORTEST and is_generated(piece.group())]
    rest = [piece.group() for piece in pieces if piece not in long]
    telling = any(map(_is_telling, rest)) or (rest and "+" in stretch)
    if telling and not _has_words(rest, stretch) and _is_random(stretch):
        yield at + pieces[0].start(), at + len(stretch.rstrip("-_/+"))
        return
    yield from ((at + piece.start() + _before_digits(piece.group()), at + piece.end()) for piece in long)


def _before_digits(piece: str) -> int:
    """Signs that say that the others are digits of hex: a surrogate of those alone is hex again."""
    return 2 if HEX_NUMBER.fullmatch(piece) else 0


def _has_words(rest: Sequence[str], stretch: str) -> bool:
    """Whether words stand beside random pieces: more than the one that may stand in many by chance."""
    words = [piece for piece in rest if _is_word(piece)]
    letters = sum(map(len, words))
    by_chance = letters * CHANCE <= len(stretch) and not any(word.islower() for word in words)
    others = any(_is_telling(piece) for piece in rest if piece not in words)
    return bool(words) and not (by_chance and others)


def _is_word(piece: str) -> bool:
    """Whether a piece that is no random string of its own is a word, or a sequence."""
    if len(piece) >= SHORTEST or DIGEST_NAME.fullmatch(piece):
        return True
    certain = CERTAIN if IN_STYLE.fullmatch(piece) else CERTAIN_IN_NO_STYLE
    return len(piece) >= TELLING_PIECE and word_evidence(piece) > certain


def _is_telling(piece: str) -> bool:
    """Whether a piece beside random ones may not be left: it is long, or no word of a path."""
    return len(piece) >= TELLING_PIECE or not (piece.isalpha() and piece.islower())


def _is_random(stretch: str) -> bool:
    return word_evidence(stretch) < -len(stretch) and len(set(stretch)) >= SHORTEST // 2
