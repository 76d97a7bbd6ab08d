# SPDX-License-Identifier: Apache-2.0
"""Anchors: literal strings that choose which rules are tried on a text.

Anchors are looked for first, because a search for a string is many times faster than one for a pattern.
"""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from node0.finetune.corpus.scrub.anchor_search import LONGEST_PLAIN, Anchor, AnchorSearch, folded_like
from node0.finetune.corpus.scrub.finding import Finding
from node0.finetune.corpus.scrub.joined_lines import JoinedLines
from node0.finetune.corpus.scrub.rules.rule_table import SECRET_RULES
from node0.finetune.corpus.scrub.rules.secret_rule import LONG_WORD, SecretRule
from node0.finetune.corpus.scrub.views import GAP

SEARCH = AnchorSearch(SECRET_RULES, long_word=LONG_WORD)
OVER_BREAKS = AnchorSearch(rule for rule in SECRET_RULES if not rule.in_line)
LONGEST_ANCHOR = max(len(anchor) for rule in SECRET_RULES for anchor in rule.anchors)


class AnchoredText(NamedTuple):
    """A text, in lower case too, and the anchors that stand in it."""

    text: str
    folded: str
    words: list[str]
    "Of the text, the long ones."

    distinct: AbstractSet[str]
    "All words of the text."

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
    folded = folded_like(text)
    words = text.split()
    distinct = set(words)
    exact, either_case = SEARCH.standing(text, folded, distinct)
    long = [word for word in words if len(word) >= LONG_WORD]
    return AnchoredText(text, folded, long, distinct, exact, either_case)


def anchors_of_joined(anchored: AnchoredText, joined: JoinedLines) -> AnchoredText:
    """The joined lines, with the anchors of the text and those that only a break had split."""
    text = joined.view.text
    edges = GAP.join([text[max(0, at - LONGEST_ANCHOR) : at + LONGEST_ANCHOR] for at in joined.breaks])
    words = {word for at in joined.breaks for word in _words_around(text, at)}
    folded = folded_like(edges)
    exact, either_case = OVER_BREAKS.standing(edges, folded, words)
    # A word may reach farther than what is looked at.
    exact = [one for one in exact if one[0] in edges]
    either_case = [one for one in either_case if one[0] in folded]
    exact = _with_new(anchored.exact, exact)
    either_case = _with_new(anchored.either_case, either_case)
    return AnchoredText(text, folded_like(text), [], set(), exact, either_case)


def _words_around(text: str, at: int) -> list[str]:
    """The words near a place in which an anchor may stand that reaches over it: short ones are whole."""
    first, last = max(0, at - LONGEST_ANCHOR - LONGEST_PLAIN), at + LONGEST_ANCHOR + LONGEST_PLAIN
    words = text[first:last].split()
    # What the ends of the stretch cut is left out where it is too far away.
    if words and first and not text[first].isspace() and len(words[0]) < LONGEST_PLAIN:
        del words[0]
    if words and last < len(text) and not text[last - 1].isspace() and len(words[-1]) < LONGEST_PLAIN:
        del words[-1]
    return words


def _with_new(standing: Sequence[Anchor], found: Sequence[Anchor]) -> list[Anchor]:
    """Those that are looked for over breaks too, and others after them."""
    known = [one for one in standing if not one[1].in_line]
    return [*known, *(anchor for anchor in found if anchor not in known)]


def rule_matches(anchored: AnchoredText) -> Iterator[RuleMatch]:
    """Every match of every rule for secrets."""
    yield from _matches(anchored.exact, anchored.text, anchored.text)
    yield from _matches(anchored.either_case, anchored.text, anchored.folded)


def _matches(anchors: Sequence[Anchor], text: str, haystack: str) -> Iterator[RuleMatch]:
    places: dict[str, list[int]] = {}
    for anchor, rule in anchors:
        if anchor not in places:
            places[anchor] = _places(haystack, anchor)
        yield from _anchored(rule, len(anchor), text, places[anchor])


def _places(haystack: str, anchor: str) -> list[int]:
    """Where an anchor stands, also where two overlap."""
    places: list[int] = []
    at = haystack.find(anchor)
    while at >= 0:
        places.append(at)
        at = haystack.find(anchor, at + 1)
    return places


def _anchored(rule: SecretRule, length: int, text: str, places: Sequence[int]) -> Iterator[RuleMatch]:
    """The matches of a rule at an anchor of some length, none before the end of the last."""
    group = "secret" if "secret" in rule.pattern.groupindex else 0
    match_at = rule.pattern.match
    floor = free = 0
    for at in places:
        if at < free:
            continue
        free = at + length
        if rule.after and text[free : free + 1] not in rule.after:
            continue
        start = at
        if at > floor and rule.before and text[at - 1] in rule.before:
            window = text[max(floor, at - rule.reach) : at]
            start = at - (len(window) - len(window.rstrip(rule.before)))
        match = match_at(text, start)
        tier = rule.judge(match) if match else None
        if match and tier:
            yield RuleMatch(rule, Finding(rule.kind, tier, *match.span(group)), match.start())
            floor = match.end(group)
            free = max(free, floor)
