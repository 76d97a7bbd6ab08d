# SPDX-License-Identifier: Apache-2.0
"""Find which anchors stand in a text, word by word; words in which none stands are looked at once.

Most words of a text are those of the texts before it. What is left of it without them is short, so that
hundreds of anchors cost little more than one.
"""

from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from node0.finetune.corpus.scrub.rules.secret_rule import SecretRule

Anchor = tuple[str, SecretRule]

LONGEST_PLAIN = 64
"Characters of a word that is remembered."

MOST_PLAIN = 100_000
"Words that are remembered; then they are learned anew."

SHORTEST_CORE = 2
"Characters of a piece that tells something: a shorter one stands in too many words."


class AnchorSearch:
    """Looks for the anchors of some rules, and remembers words without any.

    Args:
        rules: In the order in which their matches are wanted.
        long_word: Characters of the words in which anchors of rules for one word are looked for.
    """

    def __init__(self, rules: Iterable[SecretRule], *, long_word: int = 0) -> None:
        rows = _rows(rules)
        self._exact = _Table(row for row in rows if not row.rule.fold and not row.rule.compact)
        self._compact = _Table(row for row in rows if row.rule.compact)
        self._folded = _Table(row for row in rows if row.rule.fold)
        self._long_word = long_word
        self._plain: set[str] = set()

    def standing(self, text: str, folded: str, words: Iterable[str]) -> tuple[list[Anchor], list[Anchor]]:
        """The anchors in a text and those in either case, in order.

        Args:
            text: Is looked through.
            folded: In lower case, each letter in its place.
            words: All of the text, in any order.
        """
        new = set(words) - self._plain
        joined = "\n".join(new)
        long = "\n".join([word for word in new if len(word) >= self._long_word])
        exact, either_case = self._exact.held(joined), self._folded.held(folded_like(joined))
        compact = self._compact.held(long) if long else []
        self._remember(new, (*exact, *compact), either_case)
        standing = [*self._exact.standing(text, exact), *self._compact.standing(text, compact)]
        return standing, self._folded.standing(folded, either_case)

    def _remember(self, new: Collection[str], exact: Sequence[str], either_case: Sequence[str]) -> None:
        """Note the words in which none of the pieces stands that stand in some of them."""
        if len(self._plain) > MOST_PLAIN:
            self._plain.clear()
        words = [word for word in new if len(word) <= LONGEST_PLAIN and word.isascii()]
        for core in exact:
            words = [word for word in words if core not in word]
        for core in either_case:
            words = [word for word in words if core not in word.lower()]
        self._plain.update(words)


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
    """Anchors by their longest word; those in which all are short by nothing."""

    def __init__(self, rows: Iterable[_Row]) -> None:
        self._rows: dict[str, list[_Row]] = {}
        for row in rows:
            core = max(row.anchor.split(), key=len)
            self._rows.setdefault(core if len(core) >= SHORTEST_CORE else "", []).append(row)
        self._cores = tuple(core for core in self._rows if core)
        self._in_order = lru_cache(maxsize=1024)(self._sorted)

    def held(self, words: str) -> list[str]:
        """The longest words of anchors that stand in some words."""
        return [core for core in self._cores if core in words]

    def standing(self, text: str, held: Iterable[str]) -> list[Anchor]:
        """The anchors with these longest words, or short ones, that stand in a text, in order."""
        return [
            (anchor, rule)
            for anchor, rule, certain in self._in_order(tuple(held))
            if certain or (anchor in text and (not rule.needs or any(need in text for need in rule.needs)))
        ]

    def _sorted(self, held: Sequence[str]) -> list[tuple[str, SecretRule, bool]]:
        """The anchors, and whether it is certain that they stand where their longest words do."""
        rows = sorted((row, core) for core in ("", *held) for row in self._rows.get(core, ()))
        return [(row.anchor, row.rule, row.anchor == core and not row.rule.needs) for row, core in rows]


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
