# SPDX-License-Identifier: Apache-2.0
"""Scrub one text: redact its secrets and personal data, with exact spans and consistent placeholders.

Three tiers: redact; quarantine (the text stays, the entry waits for a person and is never trained on);
keep (an example, a variable, a documentation address). Scrubbing twice changes nothing. Time is linear.
"""

import hashlib
import re
import string
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from node0.finetune.corpus.scrub.broken_tokens import KnownDetect
from node0.finetune.corpus.scrub.finding import Finding, Tier, resolved
from node0.finetune.corpus.scrub.findings_memory import FindingsMemory
from node0.finetune.corpus.scrub.lookalikes import KIND as LOOKALIKE
from node0.finetune.corpus.scrub.matcher import Matcher
from node0.finetune.corpus.scrub.placeholders import Placeholders, replaced
from node0.finetune.corpus.scrub.rules.rule_table import SECRET_RULES
from node0.finetune.corpus.scrub.stand_ins import OwnValues, StandIns
from node0.finetune.corpus.scrub.surrogates import Surrogates
from node0.finetune.corpus.scrub.voters import Voter, make_voters

SCRUB_RULES_VERSION = 4
SHORTEST = 6
"No rule matches fewer characters."

PASSES = 8
MADE_UP_PASSES = 4
"Looks after which a value gets a placeholder: of what is taken for a value again and again, none is one."

SHORT = 2048
"Texts of so many characters are always looked at again."

LONG = 32_768
"Longer texts are looked at again only where something was replaced."

LONGEST_NAMED = 512
TELLING = re.compile(r"pass|pwd|secret|token|cred|key|auth|cookie", re.IGNORECASE)
"Names of fields that may say what is in them."

AROUND = 8192
"Characters on either side of it; no rule but the key blocks' reaches further."

WORD = re.compile(r"\S*")
JOINING = frozenset(string.ascii_letters + string.digits + "+/_-\\%")
"Signs before a stretch that may make another one of it."

GOES_ON = re.compile(r"[A-Za-z0-9+/_%-]|\\(?![nrt\"'])")
"The same behind it, where an escape is no break and no quote."

Verdict = Callable[[str], Tier | None]
"What a person decided about an uncertain value; None where nobody has."


class Detector(Protocol):
    """What a town adds to the shipped rules."""

    @property
    def identity(self) -> str:
        """All of it, for the version of a scrubber."""

    def findings(self, text: str) -> Iterator[Finding]:
        """Every place."""


class TextScrubber:
    """Finds and replaces secrets and personal data in texts.

    Args:
        deny: Words of the operator (names, hosts, domains) that always go, in either case.
        rules: Of the operator, beside those that are shipped.
        voters: Asked about what the rules are not sure about; None takes the shipped default.
        verdict: Knows what a person decided about uncertain values.
        surrogates: With them, a value gets one where it can, and what only looks random goes too; without,
            every value gets a placeholder.
        known: Find values that are known to be secret; no part of the version.
        state: Changes when more values are known.

    Raises:
        ScrubberUnavailable: a voter cannot run.
    """

    def __init__(
        self,
        deny: Sequence[str] = (),
        *,
        rules: Sequence[Detector] = (),
        voters: Sequence[Voter] | None = None,
        verdict: Verdict | None = None,
        surrogates: Surrogates | None = None,
        known: Sequence[KnownDetect] = (),
        state: Callable[[], int] = int,
    ) -> None:
        asked = make_voters() if voters is None else tuple(voters)
        words = sorted((word for word in deny if word.strip()), key=len, reverse=True)
        detectors = [*(rule.findings for rule in rules), *_deny_list(words)]
        self._surrogates = surrogates
        ours = OwnValues(surrogates) if surrogates else None
        self._matcher = Matcher(detectors, known=known, voters=asked, ours=ours)
        self.memory = FindingsMemory(lambda text, wide: self._matcher.findings(text, wide=wide), state)
        self._verdict = verdict or (lambda value: None)
        table = [
            *((rule.kind, rule.anchors, rule.pattern.pattern) for rule in SECRET_RULES),
            *(rule.identity for rule in rules),
            *words,
            *(voter.name for voter in asked),
            *([surrogates.identity] if surrogates else []),
        ]
        self.version = f"{SCRUB_RULES_VERSION}-{hashlib.sha256(repr(table).encode()).hexdigest()[:8]}"

    def scrub(self, text: str) -> tuple[str, list[str]]:
        """The text without secrets, and a description of each match that was redacted or is uncertain."""
        placeholders = self.placeholders()
        placeholders.reserve(text)
        scrubbed, found = self.redact(text, placeholders)
        if placeholders.stand_ins:
            scrubbed = placeholders.stand_ins.again(scrubbed)
        return scrubbed, [f"{finding.tier}: {finding.kind}" for finding in found]

    def placeholders(self) -> Placeholders:
        """Those of an entry, none given out yet."""
        made = Placeholders()
        if self._surrogates:
            made.stand_ins = StandIns(
                self._surrogates, lambda text: self.redact(text, made)[0], self._matcher.looks_random
            )
        return made

    def findings(self, text: str, *, name: str = "", wide: bool = True) -> list[Finding]:
        """Every match, in order, without overlaps; spans are those of `text`.

        Args:
            name: Of the field that the text stands in, which may give it away.
            wide: Also what only looks random, where values get surrogates.
        """
        return [self._decided(text, finding) for finding in self.found_by_rules(text, name=name, wide=wide)]

    def found_by_rules(self, text: str, *, name: str = "", wide: bool = True) -> list[Finding]:
        """As `findings`, whatever a person decided."""
        found = list(self.memory.findings(text, wide=wide)) if len(text) >= SHORTEST else []
        telling = SHORTEST <= len(text) <= LONGEST_NAMED and TELLING.search(name)
        return resolved([*found, *self._named(text, name)]) if telling else found

    def redact(
        self, text: str, placeholders: Placeholders, *, name: str = "", wide: bool = True
    ) -> tuple[str, list[Finding]]:
        """The text without secrets, and what was redacted or is uncertain.

        Args:
            placeholders: Those of everything that is scrubbed together, and numbered together.
            name: Of the field that the text stands in.
            wide: Also what only looks random, where values get surrogates.
        """
        gone: list[Finding] = []
        for number in range(PASSES):
            found = self.findings(text, name=name, wide=wide)
            redact = [finding for finding in found if finding.tier is Tier.REDACT]
            if not redact:
                break
            # A placeholder is shorter than what it hides, so a second look may see more context.
            made_up = number < MADE_UP_PASSES
            text, places = replaced(text, redact, placeholders, made_up=made_up)
            gone += redact
            if not self._may_show_more(text, redact, places):
                break
        return text, gone + [finding for finding in found if finding.tier is Tier.QUARANTINE]

    def _may_show_more(self, text: str, gone: Sequence[Finding], places: Sequence[int]) -> bool:
        """Whether a text may show more now that these were replaced, at these places in it."""
        others = [place for one, place in zip(gone, places, strict=True) if one.kind != LOOKALIKE]
        if len(text) <= SHORT or (others and (len(text) <= LONG or self._more_around(text, others))):
            return True
        # What has kept its length and shape shows nothing new but in its own word.
        sizes = (0 if one.kind != LOOKALIKE else one.end - one.start for one in gone)
        spans = ((place, place + size) for place, size in zip(places, sizes, strict=True) if size)
        return self._more_in_words(text, spans)

    def _more_around(self, text: str, places: Sequence[int]) -> bool:
        """Whether more comes to light near the placeholders of a long text; each part is seen once."""
        return any(
            finding.tier is Tier.REDACT
            for start, end in _neighbourhoods(text, places)
            for finding in self.findings(text[start:end])
        )

    def _more_in_words(self, text: str, replaced_ones: Iterable[tuple[int, int]]) -> bool:
        """Whether a word in which a lookalike was replaced still holds what only looks random."""
        for start, end in replaced_ones:
            if text[start - 1 : start] in JOINING or GOES_ON.match(text, end):
                first = text.rfind("\n", max(0, start - LONGEST_NAMED), start) + 1
                first = first or max(0, start - LONGEST_NAMED)
                last = WORD.match(text, end)
                words = text[first : last.end() if last else end].split()
                if words and any(map(self._matcher.looks_random, words[-2:])):
                    return True
        return False

    def _named(self, text: str, name: str) -> Iterator[Finding]:
        """What goes because of the field's name: of a single word, all of it."""
        before = f'{name}: "'
        for found in self.memory.findings(f'{before}{text}"', wide=False):
            start, end = found.start - len(before), min(found.end - len(before), len(text))
            if start >= 0 and end > start:
                whole = found.tier is not Tier.KEEP and not found.name and not re.search(r"\s", text)
                yield found._replace(start=0 if whole else start, end=len(text) if whole else end)

    def _decided(self, text: str, finding: Finding) -> Finding:
        if finding.tier is not Tier.QUARANTINE:
            return finding
        return finding._replace(tier=self._verdict(text[finding.start : finding.end]) or finding.tier)


def _deny_list(words: Sequence[str]) -> Iterator[Callable[[str], Iterator[Finding]]]:
    if not words:
        return
    pattern = re.compile("|".join(re.escape(word) for word in words), re.IGNORECASE)
    yield lambda text: (Finding("deny-list", Tier.REDACT, *match.span()) for match in pattern.finditer(text))


def _neighbourhoods(text: str, places: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The lines around places that are given in order; neighbours that touch are one."""
    start = end = 0
    for place in places:
        first, last = max(0, place - AROUND), min(len(text), place + AROUND)
        # Whole lines, for half a word may look like something.
        first = text.find("\n", first, place) + 1 or first
        last = max(text.rfind("\n", place, last), last if "\n" not in text[place:last] else 0)
        if first > end > start:
            yield start, end
            start = first
        elif end == start:
            start = first
        end = max(end, last)
    if end > start:
        yield start, end
