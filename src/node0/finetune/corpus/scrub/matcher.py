# SPDX-License-Identifier: Apache-2.0
"""Find what the rules name, in a text and in its other readings, with places in the text itself."""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from node0.finetune.corpus.scrub.base64_text import text_blobs
from node0.finetune.corpus.scrub.finding import FIRMNESS, Finding, resolved
from node0.finetune.corpus.scrub.joined_lines import Joined, is_plain, joined_lines
from node0.finetune.corpus.scrub.rules.personal import FINDERS
from node0.finetune.corpus.scrub.rules.rule import LONG_WORD, Rule
from node0.finetune.corpus.scrub.rules.secrets import SECRET_RULES, Tier
from node0.finetune.corpus.scrub.views import GAP, decoded_views
from node0.finetune.corpus.scrub.voters import Voter

Anchor = tuple[str, Rule]
AnchorTable = dict[tuple[str, ...], dict[str, list[Rule]]]
"Rules by what they need, then by anchor."


def _anchors(wanted: Callable[[Rule], bool]) -> AnchorTable:
    table: AnchorTable = {}
    for rule in filter(wanted, SECRET_RULES):
        for anchor in rule.anchors:
            table.setdefault(rule.needs, {}).setdefault(anchor, []).append(rule)
    return table


COMPACT_ANCHORS = _anchors(lambda rule: rule.compact)
EXACT_ANCHORS = _anchors(lambda rule: not rule.fold and not rule.compact)
FOLDED_ANCHORS = _anchors(lambda rule: rule.fold)
LONGEST_ANCHOR = max(len(anchor) for rule in SECRET_RULES for anchor in rule.anchors)
DEEPEST = 3
"Encodings around each other that are undone."

SECRET_WORDS = frozenset({"card", "iban", "ssn"})
VOTES = 64
"Doubts that voters are asked about in a short text; in a long one more, so that time stays linear."

VOTES_EACH = 4096
"Characters of a text for one more."

HEADER = 60
"Longest first line of a key block."

LINE = 200
"Characters on either side that a voter sees."


Pattern = Callable[[str], Iterator[Finding]]
"Finds places by itself, as an operator's rules do."


class Spotted(NamedTuple):
    """A text, in lower case too, and the anchors that stand in it."""

    text: str
    folded: str
    words: list[str]
    "Its long ones."

    exact: list[Anchor]
    either_case: list[Anchor]


class Matcher:
    """Applies the rules of the table, the finders of personal data, and an operator's own patterns.

    Args:
        patterns: An operator's, beside the table.
        voters: Asked about what the rules alone would let pass.
    """

    def __init__(self, patterns: Sequence[Pattern] = (), *, voters: Sequence[Voter] = ()) -> None:
        self._patterns = patterns
        self._voters = voters

    def findings(self, text: str) -> list[Finding]:
        """Every place, in order, without overlaps."""
        found = list(self._everything(text, 0))
        doubts = [finding for finding in found if finding.tier is Tier.DOUBT]
        if not doubts:
            return resolved(found)
        certain = [finding for finding in found if finding.tier is not Tier.DOUBT]
        return resolved([*certain, *self._voted(text, doubts)])

    def _voted(self, text: str, doubts: Sequence[Finding]) -> Iterator[Finding]:
        """The doubts that a voter shares, as uncertain; beyond the budget every doubt is."""
        budget = VOTES + len(text) // VOTES_EACH
        for number, doubt in enumerate(sorted(set(doubts))):
            if number >= budget or self._any_vote(text, doubt):
                yield doubt._replace(tier=Tier.QUARANTINE)

    def _any_vote(self, text: str, doubt: Finding) -> bool:
        start = max(doubt.start - LINE, text.rfind("\n", max(0, doubt.start - LINE), doubt.start) + 1, 0)
        stop = text.find("\n", doubt.end, doubt.end + LINE)
        line = text[start : stop if stop >= 0 else doubt.end + LINE]
        value = text[doubt.start : doubt.end]
        return any(voter.says_secret(line, value) for voter in self._voters)

    def _everything(self, text: str, depth: int) -> Iterator[Finding]:
        yield from self._secrets(text, depth)
        for finder in FINDERS:
            for kind, start, end, tier, name in finder(text):
                yield Finding(kind, tier, start, end, "" if kind in SECRET_WORDS else name)

    def _secrets(self, text: str, depth: int) -> Iterator[Finding]:
        where = spotted(text)
        for _, found, _ in secret_matches(where):
            yield found
        for pattern in self._patterns:
            yield from pattern(text)
        if depth < DEEPEST:
            yield from self._encoded(where, depth + 1)

    def _encoded(self, where: Spotted, depth: int) -> Iterator[Finding]:
        text = where.text
        for view in decoded_views(text):
            for found in self._everything(view.text, depth):
                start, end = view.span(found.start, found.end)
                yield found._replace(start=start, end=end)
        joined = joined_lines(text)
        if joined:
            yield from self._wrapped(where, joined, depth)
        yield from self._blobs(text, depth, where.words)

    def _blobs(self, text: str, depth: int, words: Sequence[str] | None = None) -> Iterator[Finding]:
        for blob in text_blobs(text, words):
            inside = [found for found in self._secrets(blob.text, depth) if found.tier is not Tier.KEEP]
            if inside:
                worst = min(inside, key=lambda found: FIRMNESS[found.tier])
                yield Finding(worst.kind, worst.tier, blob.start, blob.end)

    def _wrapped(self, where: Spotted, joined: Joined, depth: int) -> Iterator[Finding]:
        """What reaches over a break; everything else was found where it stands."""
        text = joined.view.text
        for rule, found, context in secret_matches(_with_edges(where, joined)):
            breaks = joined.inside(context, found.end)
            if not breaks or _below_its_name(rule, found, text, breaks[-1]):
                continue
            end = _believed(rule, found, context, joined)
            if end > max(breaks[0], found.start):
                start, end = joined.view.span(found.start, end)
                yield found._replace(start=start, end=end)
        operators = [
            one for find in self._patterns for one in find(text) if not _whole_before(find, one, joined)
        ]
        for found in [*self._blobs(text, depth), *operators]:
            if joined.inside(found.start, found.end):
                start, end = joined.view.span(found.start, found.end)
                yield found._replace(start=start, end=end)


def _whole_before(find: Pattern, found: Finding, joined: Joined) -> bool:
    """Whether a pattern is content with what stands before a break, and ordinary words follow it."""
    text, breaks = joined.view.text, joined.inside(found.start, found.end)
    if not breaks or not is_plain(text[breaks[-1] : found.end]):
        return False
    start = max(0, found.start - LONGEST_ANCHOR)
    return any(start + one.start == found.start for one in find(text[start : breaks[-1]]))


def spotted(text: str) -> Spotted:
    """Which anchors stand in a text."""
    folded = folded_like(text)
    words = [word for word in text.split() if len(word) >= LONG_WORD]
    exact = _standing(EXACT_ANCHORS, text)
    if words:
        exact += _standing(COMPACT_ANCHORS, "\n".join(words))
    return Spotted(text, folded, words, exact, _standing(FOLDED_ANCHORS, folded))


def _standing(table: AnchorTable, text: str) -> list[Anchor]:
    return [
        (anchor, rule)
        for needs, anchors in table.items()
        if not needs or any(need in text for need in needs)
        for anchor, rules in anchors.items()
        if anchor in text
        for rule in rules
    ]


def secret_matches(where: Spotted) -> Iterator[tuple[Rule, Finding, int]]:
    """Every place of every rule for secrets, with where its whole match begins."""
    for anchor, rule in where.exact:
        yield from _anchored(rule, anchor, where.text, where.text)
    for anchor, rule in where.either_case:
        yield from _anchored(rule, anchor, where.text, where.folded)


def _with_edges(where: Spotted, joined: Joined) -> Spotted:
    """The joined lines, with the anchors of the text and those that only a break had split."""
    text = joined.view.text
    edges = GAP.join([text[max(0, at - LONGEST_ANCHOR) : at + LONGEST_ANCHOR] for at in joined.breaks])
    split = [*_standing(EXACT_ANCHORS, edges), *_standing(COMPACT_ANCHORS, edges)]
    exact = [*where.exact, *(anchor for anchor in split if anchor not in where.exact)]
    new = (
        anchor for anchor in _standing(FOLDED_ANCHORS, folded_like(edges)) if anchor not in where.either_case
    )
    return Spotted(text, folded_like(text), [], exact, [*where.either_case, *new])


def _anchored(rule: Rule, anchor: str, text: str, haystack: str) -> Iterator[tuple[Rule, Finding, int]]:
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
            yield rule, Finding(rule.kind, tier, *match.span(group)), match.start()
            floor = match.end(group)
        at = haystack.find(anchor, max(at + len(anchor), floor))


def folded_like(text: str) -> str:
    """The text in lower case, each letter in its place."""
    folded = text.lower()
    if len(folded) != len(text):
        folded = "".join(letter.lower() if letter.isascii() else letter for letter in text)
    return folded


def _below_its_name(rule: Rule, found: Finding, text: str, last_break: int) -> bool:
    """Whether name and value stand on two lines, which the rule judges where they stand."""
    if rule.kind != "assigned-secret" or last_break > found.start:
        return False
    return not re.search("[:=]", text[last_break : found.start])


def _believed(rule: Rule, found: Finding, context: int, joined: Joined) -> int:
    """How far a finding over breaks is one token."""
    text = joined.view.text
    breaks = [at for at in joined.inside(context, found.end) if at > found.start]
    if rule.kind == "private-key":
        return found.end if any(at < found.start + HEADER for at in breaks) else found.start
    # Ordinary words are taken along where something after them is none.
    pieces = list(pairwise([*breaks, found.end]))
    odd = [number for number, (at, end) in enumerate(pieces) if not is_plain(text[at:end])]
    for number, (at, end) in enumerate(pieces):
        if rule.length:
            more = at - found.start < rule.length
        else:
            more = number <= max(odd, default=-1) or joined.cut_by_width(at, end)
        so_far = rule.pattern.match(text, context, at)
        tier = rule.judge(so_far) if so_far else None
        whole = tier is found.tier and (not more or text[at:end].startswith(rule.anchors))
        if whole or tier is Tier.KEEP:
            return at
    return found.end
