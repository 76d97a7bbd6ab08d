# SPDX-License-Identifier: Apache-2.0
"""Match the scrub rules against a text and its decoded views, with spans in the text itself."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet

from node0.finetune.corpus.scrub.anchors import AnchoredText, find_anchors, rule_matches
from node0.finetune.corpus.scrub.broken_tokens import (
    Detect,
    KnownDetect,
    broken_tokens,
    is_whole_before_break,
)
from node0.finetune.corpus.scrub.finding import FIRMNESS, Finding, Tier, resolved
from node0.finetune.corpus.scrub.joined_lines import JoinedLines, is_plain, joined_lines, word_around
from node0.finetune.corpus.scrub.lookalikes import KIND, lookalikes, without_covered
from node0.finetune.corpus.scrub.made_up import Ours, without_made_up
from node0.finetune.corpus.scrub.readings.blob import Blob
from node0.finetune.corpus.scrub.readings.byte_text import FOREIGN
from node0.finetune.corpus.scrub.readings.encoded_words import SHORTEST as SHORTEST_CODE
from node0.finetune.corpus.scrub.readings.encoded_words import text_blobs as encoded_words
from node0.finetune.corpus.scrub.readings.reading_table import in_context, text_blobs
from node0.finetune.corpus.scrub.rules.rule_table import FINDERS
from node0.finetune.corpus.scrub.views import View, decoded_views
from node0.finetune.corpus.scrub.voters import Voter, confirmed

DEEPEST = 3
"Encodings around each other that are undone."


class Matcher:
    """Applies the shipped rules and finders, and detectors beside them.

    Args:
        detectors: Find places by themselves, as the rules of a town do.
        known: Find values that are known to be secret.
        voters: Asked about what the rules alone would let pass.
        ours: Knows what was made up to stand for a value; with it, what only looks random is found too.
    """

    def __init__(
        self,
        detectors: Sequence[Detect] = (),
        *,
        known: Sequence[KnownDetect] = (),
        voters: Sequence[Voter] = (),
        ours: Ours | None = None,
    ) -> None:
        self._detectors = detectors
        self._known = known
        self._ours = ours
        self._voters = voters

    def findings(self, text: str, *, wide: bool = True) -> list[Finding]:
        """Every place, in order, without overlaps; `wide`, also what only looks random."""
        found = without_covered(list(self._everything(text, 0, wide=wide and self._ours is not None)), text)
        candidates = [finding for finding in found if finding.tier is Tier.CANDIDATE]
        if not candidates:
            return resolved(found)
        certain = [finding for finding in found if finding.tier is not Tier.CANDIDATE]
        return resolved([*certain, *confirmed(candidates, text, self._voters)])

    def looks_random(self, word: str) -> bool:
        """Whether a word, or what it reads as, holds what only looks random and stands for nothing."""
        return any(one.kind == KIND and one.tier is Tier.REDACT for one in self.findings(word))

    def _everything(self, text: str, depth: int, *, wide: bool) -> Iterator[Finding]:
        anchored = find_anchors(text)
        blobs = text_blobs(text, anchored.words)
        yield from self._foreign(text, (match.finding for match in rule_matches(anchored)))
        for detect in self._detectors:
            yield from detect(text)
        for find_known in self._known:
            yield from find_known(text, anchored.distinct)
        if depth < DEEPEST:
            yield from self._foreign(text, self._encoded(anchored, blobs, depth + 1, wide=wide))
        if wide:
            taken = [blob.span for blob in blobs]
            yield from self._foreign(text, lookalikes(text, anchored.words, taken))
        for finder in FINDERS:
            found = finder(text)
            yield from self._foreign(text, _outside(blobs, found) if blobs else found)

    def _encoded(
        self, anchored: AnchoredText, blobs: Sequence[Blob], depth: int, *, wide: bool
    ) -> Iterator[Finding]:
        """What other readings of the text show."""
        for view in decoded_views(anchored.text):
            shown = (_in_original(view, found) for found in self._everything(view.text, depth, wide=wide))
            yield from _outside(blobs, shown) if blobs else shown
        names = None if self._detectors else _names(anchored)
        joined = joined_lines(anchored.text, names, is_told=self._is_known)
        if joined:
            found_over_breaks = self._over_breaks(anchored, joined, depth)
            yield from (_in_original(joined.view, found) for found in found_over_breaks)
            if wide:
                random = (_in_original(joined.view, found) for found in self._wrapped(joined))
                yield from _outside(blobs, random) if blobs else random
        yield from self._inside(blobs, depth, wide=wide)
        decoded = in_context(anchored.text, blobs)
        if decoded:
            found_in_context = self._everything(decoded.text, depth, wide=False)
            yield from (_in_original(decoded, found) for found in found_in_context)

    def _is_known(self, text: str) -> bool:
        return any(True for find_known in self._known for _ in find_known(text))

    def _over_breaks(self, anchored: AnchoredText, joined: JoinedLines, depth: int) -> Iterator[Finding]:
        """What reaches over a break; everything else was found where it stands."""
        text = joined.view.text
        yield from self._foreign(text, broken_tokens(anchored, joined))
        words = text.split()
        long = [word for word in words if len(word) >= SHORTEST_CODE]
        whole = [blob for blob in encoded_words(text, long) if _is_one(blob, joined)]
        found = [
            *self._inside(whole, depth, wide=False),
            *_not_whole(joined, ((detect, detect(text)) for detect in self._detectors)),
            *_not_whole(joined, ((detect, detect(text, set(words))) for detect in self._known)),
        ]
        yield from (one for one in found if joined.inside(one.start, one.end))

    def _wrapped(self, joined: JoinedLines) -> Iterable[Finding]:
        """What looks random and goes on behind the end of a full line, and is no code for a text."""
        text = joined.view.text
        found = (
            one._replace(start=start + one.start, end=start + one.end)
            for start, end in (_without_words(joined, *word_around(text, at)) for at in sorted(joined.wide))
            for word in (text[start:end],)
            for one in lookalikes(word, [word], [blob.span for blob in encoded_words(word, [word])])
        )
        return self._foreign(text, (one for one in found if joined.goes_over_width(one.start, one.end)))

    def _foreign(self, text: str, found: Iterable[Finding]) -> Iterable[Finding]:
        """All of them; to be kept where something stands for the value already."""
        return found if self._ours is None else without_made_up(text, found, self._ours)

    def _inside(self, blobs: Sequence[Blob], depth: int, *, wide: bool) -> Iterator[Finding]:
        """What is found in texts that stand in a code of their own: each as a whole, by the surest."""
        for blob in blobs:
            found = without_covered(list(self._everything(blob.text, depth, wide=wide)), blob.text)
            inside = [one for one in found if one.tier is not Tier.KEEP]
            if inside:
                worst = min(inside, key=lambda one: FIRMNESS[one.tier])
                yield Finding(worst.kind, worst.tier, blob.start, blob.end)


def _names(anchored: AnchoredText) -> AbstractSet[str]:
    """The anchors in a text of rules that also look over breaks."""
    anchors = (*anchored.exact, *anchored.either_case)
    return {anchor.lower() for anchor, rule in anchors if not rule.in_line}


def _not_whole(
    joined: JoinedLines, found_by: Iterable[tuple[Detect, Iterator[Finding]]]
) -> Iterator[Finding]:
    """What detectors find that is not over before a break."""
    for detect, found in found_by:
        yield from (one for one in found if not is_whole_before_break(detect, one, joined))


def _without_words(joined: JoinedLines, start: int, end: int) -> tuple[int, int]:
    """A place less the ordinary words that its first line ends with and its last begins with."""
    text, breaks = joined.view.text, joined.inside(start, end)
    if breaks and is_plain(text[start : breaks[0]]):
        start = breaks[0]
    if breaks and is_plain(text[breaks[-1] : end]):
        end = breaks[-1]
    return start, end


def _outside(blobs: Sequence[Blob], found: Iterable[Finding]) -> Iterator[Finding]:
    """Those that are no part of what stands in a code: some digits of a dump are nobody's number."""
    starts = [blob.start for blob in blobs]
    for one in found:
        before = bisect_right(starts, one.start)
        around = blobs[before - 1].span if before else (0, 0)
        whole = around == (one.start, one.end)
        if whole or one.end > around[1]:
            yield one


def _is_one(blob: Blob, joined: JoinedLines) -> bool:
    """Whether what stands in joined lines is one code, and nothing but code."""
    breaks = joined.inside(blob.start, blob.end)
    more = bool(breaks) and not is_plain(joined.view.text[breaks[-1] : blob.end])
    return more and FOREIGN.isdisjoint(blob.text)


def _in_original(view: View, found: Finding) -> Finding:
    start, end = view.span(found.start, found.end)
    return found._replace(start=start, end=end)
