# SPDX-License-Identifier: Apache-2.0
"""Find which anchors stand in a text, word by word; words in which none stands are looked at once.

Most words of a text are those of the texts before it. What is left of it without them is short, so that
hundreds of anchors cost little more than one.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache, reduce
from itertools import accumulate, count
from operator import or_
from typing import NamedTuple

from node0.finetune.corpus.scrub.rules.secret_rule import SecretRule

Anchor = tuple[str, SecretRule]

LONGEST_PLAIN = 64
"Characters of a word that is remembered."

MOST_PLAIN = 100_000
"Words that are remembered; then they are learned anew."

SHORTEST_CORE = 2
"Characters of a piece that tells something: a shorter one stands in too many words."


FREQUENT = "etaoinsrhldcumfpgwybvkxjqz"
"Letters, the most frequent first."


class AnchorSearch:
    """Looks for the anchors of some rules, and remembers which stand in a word.

    Args:
        rules: In the order in which their matches are wanted.
        long_word: Characters of the words in which anchors of rules for one word are looked for.
    """

    def __init__(self, rules: Iterable[SecretRule], *, long_word: int = 0) -> None:
        rows = _rows(rules)
        bits = map((1).__lshift__, count())
        self._exact = _Table((row for row in rows if not row.rule.fold and not row.rule.compact), bits)
        self._compact = _Table((row for row in rows if row.rule.compact), bits)
        self._folded = _Table((row for row in rows if row.rule.fold), bits)
        self._long_word = long_word
        self._plain: set[str] = set()
        self._telling: dict[str, int] = {}
        "The bits of what stands in a word."

    def standing(self, text: str, folded: str, words: AbstractSet[str]) -> tuple[list[Anchor], list[Anchor]]:
        """The anchors in a text and those in either case, in order.

        Args:
            text: Is looked through.
            folded: In lower case, each letter in its place.
            words: All of the text.
        """
        held = self._held_in(words - self._plain)
        standing = [*self._exact.standing(text, held), *self._compact.standing(text, held)]
        return standing, self._folded.standing(folded, held)

    def _held_in(self, words: AbstractSet[str]) -> int:
        """The bits of the pieces of anchors that stand in some of these words."""
        held, unknown = 0, []
        for word in words:
            bits = self._telling.get(word)
            if bits is None:
                unknown.append(word)
            else:
                held |= bits
        return held | self._learned(unknown) if unknown else held

    def _learned(self, words: Sequence[str]) -> int:
        """The bits of what stands in new words; of the short ones it is noted."""
        short = [word for word in words if len(word) <= LONGEST_PLAIN and word.isascii()]
        if len(self._plain) + len(self._telling) > MOST_PLAIN:
            self._plain.clear()
            self._telling.clear()
        telling: dict[str, int] = {}
        for bit, word in self._places(short):
            telling[word] = telling.get(word, 0) | bit
        self._telling.update(telling)
        self._plain.update(set(short).difference(telling))
        held = reduce(or_, telling.values(), 0)
        return held if len(short) == len(words) else held | self._held_by(set(words).difference(short))

    def _held_by(self, words: Iterable[str]) -> int:
        joined = "\n".join(words)
        long = "\n".join([word for word in words if len(word) >= self._long_word])
        return self._exact.held(joined) | self._folded.held(folded_like(joined)) | self._compact.held(long)

    def _places(self, words: Sequence[str]) -> Iterator[tuple[int, str]]:
        """The bit of each piece of an anchor, with each of these words of ASCII in which it stands."""
        long = [word for word in words if len(word) >= self._long_word]
        for table, some in ((self._exact, words), (self._folded, words), (self._compact, long)):
            joined = "\n".join(some)
            ends = list(accumulate([len(word) + 1 for word in some]))
            places = table.places(joined.lower() if table is self._folded else joined, ends)
            yield from ((bit, some[number]) for bit, number in places)


def folded_like(text: str) -> str:
    """The text in lower case, each letter in its place."""
    folded = text.lower()
    if len(folded) != len(text):
        folded = "".join(letter.lower() if letter.isascii() else letter for letter in text)
    return folded


class _Row(NamedTuple):
    """An anchor of a rule, and its place among all."""

    number: int
    anchor: str
    rule: SecretRule


class _Table:
    """Anchors by their longest word; those in which all are short by nothing.

    Args:
        rows: In any order.
        bits: One is taken for each longest word.
    """

    def __init__(self, rows: Iterable[_Row], bits: Iterator[int]) -> None:
        by_core: dict[str, list[_Row]] = {}
        for row in rows:
            core = max(row.anchor.split(), key=len)
            by_core.setdefault(core if len(core) >= SHORTEST_CORE else "", []).append(row)
        self._always = by_core.pop("", [])
        self._cores = [(core, next(bits)) for core in by_core]
        self._rows = [(bit, core, by_core[core]) for core, bit in self._cores]
        self._all = sum(bit for _, bit in self._cores)
        self._by_sign: dict[str, list[tuple[str, int]]] = {}
        for core, bit in self._cores:
            self._by_sign.setdefault(_rarest_sign(core), []).append((core, bit))
        self._in_order = lru_cache(maxsize=1024)(self._sorted)

    def held(self, words: str) -> int:
        """The bits of the longest words of anchors that stand in some words."""
        return sum(bit for core, bit in self._likely(words) if core in words)

    def places(self, words: str, ends: Sequence[int]) -> Iterator[tuple[int, int]]:
        """The bit of each of them that stands in a word, with the number of that word.

        Args:
            words: Joined by one sign.
            ends: Where the next word begins, in order.
        """
        for core, bit in self._likely(words):
            at = words.find(core)
            while at >= 0:
                number = bisect_right(ends, at)
                yield bit, number
                at = words.find(core, ends[number])

    def _likely(self, words: str) -> Iterator[tuple[str, int]]:
        """The longest words of anchors of which the rarest sign stands in some words."""
        for sign in self._by_sign.keys() & set(words):
            yield from self._by_sign[sign]

    def standing(self, text: str, held: int) -> list[Anchor]:
        """The anchors with these longest words, or short ones, that stand in a text, in order."""
        return [
            (anchor, rule)
            for anchor, rule, certain in self._in_order(held & self._all)
            if certain or (anchor in text and (not rule.needs or any(need in text for need in rule.needs)))
        ]

    def _sorted(self, held: int) -> list[tuple[str, SecretRule, bool]]:
        """The anchors, and whether it is certain that they stand where their longest words do."""
        rows = [(row, "") for row in self._always]
        rows += [(row, core) for bit, core, of_core in self._rows if bit & held for row in of_core]
        return [
            (row.anchor, row.rule, row.anchor == core and not row.rule.needs) for row, core in sorted(rows)
        ]


def _rarest_sign(core: str) -> str:
    """The one that is least frequent in text: other signs are rarer than letters."""
    return max(core, key=lambda sign: FREQUENT.find(sign) % (len(FREQUENT) + 1))


def _rows(rules: Iterable[SecretRule]) -> list[_Row]:
    """Rules by what they need, then by anchor."""
    table: dict[tuple[str, ...], dict[str, list[SecretRule]]] = {}
    for rule in rules:
        for anchor in rule.anchors:
            table.setdefault(rule.needs, {}).setdefault(anchor, []).append(rule)
    ordered = (
        (anchor, rule) for anchors in table.values() for anchor, alike in anchors.items() for rule in alike
    )
    return [_Row(number, anchor, rule) for number, (anchor, rule) in enumerate(ordered)]
