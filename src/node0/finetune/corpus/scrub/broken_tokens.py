# SPDX-License-Identifier: Apache-2.0
"""Find tokens that a line break cut in two, and say how far over the break each one reaches."""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import pairwise
from typing import Protocol

from node0.finetune.corpus.scrub.anchors import (
    LONGEST_ANCHOR,
    AnchoredText,
    anchors_of_joined,
    find_anchors,
    rule_matches,
)
from node0.finetune.corpus.scrub.finding import Finding, Tier
from node0.finetune.corpus.scrub.joined_lines import JoinedLines, is_plain
from node0.finetune.corpus.scrub.line_starts import begins_anew
from node0.finetune.corpus.scrub.rules.named_tests import ENDED, names_a_test, names_a_test_that_ran
from node0.finetune.corpus.scrub.rules.secret_rule import SecretRule
from node0.finetune.corpus.scrub.word_likeness import reads_as_words

HEADER = 60
"Longest first line of a key block."

HANDED_OVER = ("assigned-secret", "cli-password", "sql-password")
"Kinds whose value ends where a word ends."

LONGEST_LINE = 400
LOOK = 64
OPEN_QUOTE = re.compile(r"[\"'`][^\"'`\n]{0,64}$")
RESULT = re.compile(ENDED)
"How a test ended, at the beginning of a line."

CLOSING_QUOTE = re.compile(r"[^\"'`\s]{1,64}[\"'`]")

Detect = Callable[[str], Iterator[Finding]]
"Finds places in a text by itself, without anchors of the table."


class KnownDetect(Protocol):
    """As `Detect`, for what some word of a text tells."""

    def __call__(self, text: str, words: AbstractSet[str] | None = None) -> Iterator[Finding]:
        """Every place; `words` are all of the text, where they are known already."""


def broken_tokens(anchored: AnchoredText, joined: JoinedLines) -> Iterator[Finding]:
    """What the rules find over a break of the joined lines, with places in them."""
    text = joined.view.text
    for rule, found, start in rule_matches(anchors_of_joined(anchored, joined)):
        breaks = joined.inside(start, found.end)
        if (
            not breaks
            or _below_its_name(rule, found, text, breaks[-1])
            or _names_a_test(found, joined, anchored.text)
        ):
            continue
        if rule.kind == "url-credentials" and ":" not in text[start : breaks[0]]:
            continue  # no login begins with the last word of the line before
        end = _believed(rule, found, start, joined)
        if end > max(breaks[0], found.start):
            yield found._replace(end=end)
    yield from _in_open_quotes(joined)


def is_whole_before_break(detect: Detect, found: Finding, joined: JoinedLines) -> bool:
    """Whether a pattern is content with what stands before a break, and ordinary words follow it."""
    text, breaks = joined.view.text, joined.inside(found.start, found.end)
    if not breaks or not is_plain(text[breaks[-1] : found.end]):
        return False
    start = max(0, found.start - LONGEST_ANCHOR)
    return any(start + one.start == found.start for one in detect(text[start : breaks[-1]]))


def _in_open_quotes(joined: JoinedLines) -> Iterator[Finding]:
    """What the rules for whole lines find in quotes that a full line leaves open."""
    text = joined.view.text
    for at in sorted(joined.wide):
        first = max(0, at - LONGEST_LINE, text.rfind("\n", max(0, at - LONGEST_LINE), at) + 1)
        closing = CLOSING_QUOTE.match(text, at)
        if closing is None or not OPEN_QUOTE.search(text, first, at):
            continue
        for rule, found, _ in rule_matches(find_anchors(text[first : closing.end() + LOOK])):
            whole = found._replace(start=first + found.start, end=first + found.end)
            if rule.in_line and whole.start < at < whole.end and _is_quoted(text, whole):
                yield whole


def _below_its_name(rule: SecretRule, found: Finding, text: str, last_break: int) -> bool:
    """Whether name and value stand on two lines, which the rule judges where they stand."""
    if rule.kind != "assigned-secret" or last_break > found.start:
        return False
    return not re.search("[:=]", text[last_break : found.start])


def _names_a_test(found: Finding, joined: JoinedLines, original: str) -> bool:
    """Whether the line of a value begins with how a test ended, and words follow: they end where it does."""
    text, first = joined.view.text, bisect_right(joined.breaks, found.start)
    end = min([found.end, *joined.breaks[first : first + 1]])
    if not first:
        return False
    if RESULT.fullmatch(text, joined.breaks[first - 1], found.start):
        return reads_as_words(text[found.start : end])
    return names_a_test_that_ran(original, *joined.view.span(found.start, end))


def _end_of_key(found: Finding, breaks: Sequence[int], text: str) -> int:
    """Where a key ends that goes over breaks: before a word of the next line."""
    if not any(at < found.start + HEADER for at in breaks):
        return found.start
    last, more = breaks[-1], text[found.end : found.end + 1]
    return last if more == " " and text[last : found.end].isalpha() else found.end


def _is_quoted(text: str, found: Finding) -> bool:
    """Whether one pair of quotes holds the value, with the break in it."""
    before, after = text[found.start - 1 : found.start], text[found.end : found.end + 1]
    return before == after != "" and before in "\"'`"


def _believed(rule: SecretRule, found: Finding, context: int, joined: JoinedLines) -> int:
    """How far a finding over breaks is one token."""
    text = joined.view.text
    breaks = [at for at in joined.inside(context, found.end) if at > found.start]
    if rule.kind == "private-key":
        return _end_of_key(found, breaks, text)
    quoted = _is_quoted(text, found)
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
        if so_far and rule.kind in HANDED_OVER and names_a_test(so_far):
            return found.start
        # Only a rule with a prefix and a length knows where its token ends.
        ends = not rule.compact if rule.length else so_far or rule.kind == "assigned-secret"
        wrapped = joined.is_wrapped_at(at)
        words = not (rule.compact or wrapped)
        if ends and not (rule.compact and wrapped) and begins_anew(text, at, words=words):
            return at if tier is found.tier else found.start
        # What was uncertain before ordinary words is not made certain by them.
        whole = tier in (found.tier, Tier.QUARANTINE) and (not more or text[at:end].startswith(rule.anchors))
        if (whole and not quoted) or tier is Tier.KEEP:
            return at
        known = (so_far or rule.kind in HANDED_OVER) and not quoted
        if known and tier is None and not (more or rule.compact or wrapped):
            return found.start  # nothing so far, and ordinary words make nothing of it
    return found.end
