# SPDX-License-Identifier: Apache-2.0
"""The surrogates of one entry: one for one value, in whatever encoding and wherever it stands."""

import re
import sys
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from functools import cached_property

from node0.finetune.corpus.scrub.lookalikes import KIND as LOOKALIKE
from node0.finetune.corpus.scrub.placeholders import without_placeholders
from node0.finetune.corpus.scrub.readings.reading_table import rewritten
from node0.finetune.corpus.scrub.surrogates import FEWEST, Surrogates, fits
from node0.finetune.corpus.scrub.word_likeness import reads_as_words
from node0.finetune.corpus.scrub.written_signs import read, write_over

STRUCTURED = frozenset({"private-key", "ssh-public-key", "deny-list", "ssn", "national-id", "address"})
"Kinds that get a placeholder whatever they look like."

LIKE_ADDRESS = re.compile(r"[A-Za-z0-9]@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z0-9]{2}")
"In a value whose surrogate would be read as a mail address."

TRIES = 16
"Surrogates that are drawn until one is steady: seen again, its pieces read as those of one value."

SHORTEST_KNOWN = 8
"Signs of a value that is looked for in the rest of the entry."

SHORTEST_PREFIX = 7
"Signs of a hash that git shows of it."

TOKEN = re.compile(r"[A-Za-z0-9_+/=.~!@#$%^&*-]{7,512}")
RUN = re.compile(rf"(?:\\[nrt])?([A-Za-z0-9]{{{FEWEST},}})")
"Of a surrogate, some of its signs; also behind an escape."

FEW = 64
"Values that are looked for one by one, before every word is looked up."

FEW_ASKED = 8
"Surrogates that are looked for in the entry as it stands."

AROUND = re.compile(r"^[=.,:;!*&/-]+|[=.,:;!*&/-]+$")
HASH = re.compile(r"[0-9a-f]{16,128}")
HASH_START = re.compile(f"[0-9a-f]{{{SHORTEST_PREFIX}}}")
"Of each stretch of digits of hex, among others the first ones."

SHORT_HASH = re.compile(r"(?<![0-9A-Za-z])(?=[0-9]*[a-f])[0-9a-f]{7,39}(?![0-9A-Za-z])")
PARTS = re.compile(r"[\s:/@=,;|\"'<>()\[\]{}]+")


class StandIns:
    """Gives surrogates to the values of one entry.

    Args:
        surrogates: Under the town's key.
        scrub: Scrubs a text that was found inside of another, with the same stand-ins.
        looks_random: Whether part of a word would be taken for a value that nothing stands for.
    """

    def __init__(
        self,
        surrogates: Surrogates,
        scrub: Callable[[str], str],
        looks_random: Callable[[str], bool] = lambda word: False,
    ) -> None:
        self._surrogates = surrogates
        self._scrub = scrub
        self._looks_random = looks_random
        self._given: dict[str, str] = {}
        self._shortest = sys.maxsize
        "Signs of the shortest value."

        self._hashes: dict[str, list[str]] = {}
        self._texts: list[str] = []
        self._asked = 0

    def reserve(self, text: str) -> None:
        """No surrogate may be a value that the entry holds; all of it is reserved before one is given."""
        self._texts.append(text)

    def text(self, kind: str, written: str) -> str | None:
        """What is written in place of a value; None where that takes a placeholder."""
        if kind in STRUCTURED:
            return None
        inside = rewritten(written, self._scrub)
        if inside is not None:
            return inside
        value = read(written)
        if not fits(value) or LIKE_ADDRESS.search(value):
            return None
        return write_over(written, self._of(value, kind))

    def remember(self, written: str, replacement: str) -> None:
        """Look for a value that was found once in the rest of the entry too."""
        value = read(written)
        if len(value) >= SHORTEST_KNOWN and re.search(r"\d", value) and value not in self._given:
            self._give(value, replacement)

    def again(self, text: str) -> str:
        """The text with what was found elsewhere in the entry replaced here too, also a hash cut short."""
        if self._may_hold_given(text):
            text = TOKEN.sub(self._known, text)
        if self._may_hold_hash(text):
            text = SHORT_HASH.sub(self._shortened, text)
        return text

    def _may_hold_given(self, text: str) -> bool:
        given = self._given
        if len(text) < self._shortest:
            return False
        if len(given) <= FEW:
            return any(value in text for value in given)
        long = [word for word in text.split() if len(word) >= self._shortest]
        tokens = set(TOKEN.findall(" ".join(long)))
        return not given.keys().isdisjoint(tokens) or any(
            AROUND.sub("", token) in given for token in tokens if AROUND.search(token)
        )

    def _may_hold_hash(self, text: str) -> bool:
        hashes = self._hashes
        if len(text) < SHORTEST_PREFIX:
            return False
        if len(hashes) <= FEW:
            return any(start in text for start in hashes)
        return not hashes.keys().isdisjoint(HASH_START.findall(text))

    def _of(self, value: str, kind: str) -> str:
        if value not in self._given:
            salt, surrogate = 0, self._surrogates.of(value)
            # Of one piece, it is seen again as a whole.
            in_pieces = kind == LOOKALIKE and not value.isalnum()
            while self._is_taken(surrogate, value) or (
                in_pieces and salt < TRIES and self._looks_random(surrogate)
            ):
                salt += 1
                surrogate = self._surrogates.of(value, salt)
            self._give(value, surrogate)
            if HASH.fullmatch(value):
                self._hashes.setdefault(value[:SHORTEST_PREFIX], []).append(value)
        return self._given[value]

    def _give(self, value: str, replacement: str) -> None:
        self._given[value] = replacement
        self._shortest = min(self._shortest, len(value))

    def _is_taken(self, surrogate: str, value: str) -> bool:
        return surrogate == value or self._stands_somewhere(surrogate)

    def _stands_somewhere(self, surrogate: str) -> bool:
        """Whether it is part of what was reserved; the first few are looked for in all of it."""
        self._asked += 1
        run = RUN.search(surrogate) if self._asked > FEW_ASKED else None
        if run and run[1] not in self._runs:
            return False
        return any(surrogate in text for text in self._texts)

    @cached_property
    def _runs(self) -> AbstractSet[str]:
        """Long stretches of letters and digits of what was reserved."""
        return {run for text in self._texts for run in RUN.findall(text)}

    def _known(self, match: re.Match[str]) -> str:
        word = match.group()
        for value in (word, AROUND.sub("", word)):
            if value in self._given:
                return word.replace(value, self._given[value])
        return word

    def _shortened(self, match: re.Match[str]) -> str:
        short = match.group()
        for value in self._hashes.get(short[:SHORTEST_PREFIX], ()):
            if value.startswith(short):
                return self._given[value][: len(short)]
        return short


class OwnValues:
    """Knows what was made up to stand for a value, under the town's key."""

    def __init__(self, surrogates: Surrogates) -> None:
        self._surrogates = surrogates

    def is_one(self, written: str) -> bool:
        """Whether this is a surrogate, all of it."""
        if written.isalnum() and written.isascii():
            return self._surrogates.is_own(written)
        return self._surrogates.is_own(read(without_placeholders(written)))

    def are_all(self, written: str) -> bool:
        """Whether nothing but surrogates and placeholders stands there, beside words and signs."""
        if written.isalnum() and written.isascii():
            return False
        parts = [part for part in PARTS.split(read(without_placeholders(written))) if part]
        own = [part for part in parts if self._surrogates.is_own(part)]
        return bool(own) and all(
            part in own or len(part) < SHORTEST_PREFIX or reads_as_words(part) for part in parts
        )
