# SPDX-License-Identifier: Apache-2.0
"""Anchors: literal strings that choose which rules are tried on a text.

Anchors are looked for first, because a search for a string is many times faster than one for a pattern.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from node0.finetune.corpus.scrub.finding import Finding
from node0.finetune.corpus.scrub.joined_lines import JoinedLines
from node0.finetune.corpus.scrub.rules.rule_table import SECRET_RULES
from node0.finetune.corpus.scrub.rules.secret_rule import LONG_WORD, SecretRule
from node0.finetune.corpus.scrub.views import GAP

Anchor = tuple[str, SecretRule]
AnchorTable = dict[tuple[str, ...], dict[str, list[SecretRule]]]
"Rules by what they need, then by anchor."


def _anchors(wanted: Callable[[SecretRule], bool]) -> AnchorTable:
    table: AnchorTable = {}
    for rule in filter(wanted, SECRET_RULES):
        for anchor in rule.anchors:
            table.setdefault(rule.needs, {}).setdefault(anchor, []).append(rule)
    return table


COMPACT_ANCHORS = _anchors(lambda rule: rule.compact)
EXACT_ANCHORS = _anchors(lambda rule: not rule.fold and not rule.compact)
FOLDED_ANCHORS = _anchors(lambda rule: rule.fold)
LONGEST_ANCHOR = max(len(anchor) for rule in SECRET_RULES for anchor in rule.anchors)


class AnchoredText(NamedTuple):
    """A text, in lower case too, and the anchors that stand in it."""

    text: str
    folded: str
    words: list[str]
    "Of the text, the long ones."

    exact: list[Anchor]
    either_case: list[Anchor]


class RuleMatch(NamedTuple):
    """One match of a rule."""

    rule: SecretRule
    finding: Finding
    start: int
    "Of the whole match, which may begin before what goes."


def find_anchors(text: str) -> AnchoredText:
    """Which anchors stand in a text."""
    folded = _folded_like(text)
    words = [word for word in text.split() if len(word) >= LONG_WORD]
    exact = _standing(EXACT_ANCHORS, text)
    if words:
        exact += _standing(COMPACT_ANCHORS, "\n".join(words))
    return AnchoredText(text, folded, words, exact, _standing(FOLDED_ANCHORS, folded))


def anchors_of_joined(anchored: AnchoredText, joined: JoinedLines) -> AnchoredText:
    """The joined lines, with the anchors of the text and those that only a break had split."""
    text = joined.view.text
    edges = GAP.join([text[max(0, at - LONGEST_ANCHOR) : at + LONGEST_ANCHOR] for at in joined.breaks])
    split = [*_standing(EXACT_ANCHORS, edges), *_standing(COMPACT_ANCHORS, edges)]
    exact = [*anchored.exact, *(anchor for anchor in split if anchor not in anchored.exact)]
    exact = [one for one in exact if not one[1].in_line]
    new = (
        anchor
        for anchor in _standing(FOLDED_ANCHORS, _folded_like(edges))
        if anchor not in anchored.either_case
    )
    either = [one for one in (*anchored.either_case, *new) if not one[1].in_line]
    return AnchoredText(text, _folded_like(text), [], exact, either)


def rule_matches(anchored: AnchoredText) -> Iterator[RuleMatch]:
    """Every match of every rule for secrets."""
    for anchor, rule in anchored.exact:
        yield from _anchored(rule, anchor, anchored.text, anchored.text)
    for anchor, rule in anchored.either_case:
        yield from _anchored(rule, anchor, anchored.text, anchored.folded)


def _standing(table: AnchorTable, text: str) -> list[Anchor]:
    return [
        (anchor, rule)
        for needs, anchors in table.items()
        if not needs or any(need in text for need in needs)
        for anchor, rules in anchors.items()
        if anchor in text
        for rule in rules
    ]


def _anchored(rule: SecretRule, anchor: str, text: str, haystack: str) -> Iterator[RuleMatch]:
    group = "secret" if "secret" in rule.pattern.groupindex else 0
    floor = 0
    at = haystack.find(anchor)
    while at >= 0:
        start = at
        if rule.before:
            window = text[max(floor, at - rule.reach) : at]
            start = at - (len(window) - len(window.rstrip(rule.before)))
        match = rule.pattern.match(text, start)
        tier = rule.judge(match) if match else None
        if match and tier:
            yield RuleMatch(rule, Finding(rule.kind, tier, *match.span(group)), match.start())
            floor = match.end(group)
        at = haystack.find(anchor, max(at + len(anchor), floor))


def _folded_like(text: str) -> str:
    """The text in lower case, each letter in its place."""
    folded = text.lower()
    if len(folded) != len(text):
        folded = "".join(letter.lower() if letter.isascii() else letter for letter in text)
    return folded
