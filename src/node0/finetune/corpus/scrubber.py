# SPDX-License-Identifier: Apache-2.0
"""Take secrets and personal data out of text, with exact spans and consistent placeholders.

Works on decoded strings: `scrub_entry` visits every string of an entry, also in tool inputs, tool results,
system texts and tool lists. Secrets become `[REDACTED:<kind>]`; what a reader must be able to tell apart
becomes a numbered name (`[EMAIL_1]`, `[IP_1]`, `/home/USER_1`), the same for the same value in one entry.

Three tiers: redact; quarantine (the text stays, the entry waits for a person and is never trained on);
keep (an example, a variable, a documentation address). Scrubbing twice changes nothing. Time is linear.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from node0.errors import ScrubberUnavailable
from node0.finetune.corpus.rules import SECRET_RULES, Rule, Tier
from node0.finetune.corpus.schema import CorpusEntry

SCRUB_RULES_VERSION = 1
SHORTEST = 6
"No rule matches fewer characters."

PASSES = 8
SECRET_WORDS = frozenset({"card", "iban", "ssn"})
SCRUBBED_FIELDS = (
    "rig",
    "task_type",
    "outcome",
    "bead_id",
    "messages",
    "chosen",
    "rejected",
    "systems",
    "toolsets",
    "tools",
)
NUMBERED = re.compile(r"\[?\b(EMAIL|IP|PRIVATE_IP|MAC|PHONE|NAME|USER)_(\d{1,9})\b\]?")


class Finding(NamedTuple):
    """One place that a rule names."""

    kind: str
    tier: Tier
    start: int
    end: int
    name: str = ""
    "What is numbered; empty for secrets."


@dataclass
class Placeholders:
    """The numbers given out in one entry."""

    given: dict[tuple[str, str], int] = field(default_factory=dict)
    highest: Counter[str] = field(default_factory=Counter)

    def reserve(self, text: str) -> None:
        """Never give out a number that the text already uses."""
        if "_" not in text:
            return
        for kind, number in NUMBERED.findall(text):
            self.highest[kind] = max(self.highest[kind], int(number))

    def text(self, finding: Finding) -> str:
        """What replaces the finding."""
        if not finding.name:
            return f"[REDACTED:{finding.kind}]"
        word = finding.kind.upper().replace("-", "_")
        key = (word, finding.name)
        if key not in self.given:
            self.highest[word] += 1
            self.given[key] = self.highest[word]
        label = f"{word}_{self.given[key]}"
        return label if finding.kind == "user" else f"[{label}]"


class ScrubbedEntry(NamedTuple):
    """An entry without its secrets, and how many of each kind were found."""

    entry: CorpusEntry
    redacted: Counter[str]
    quarantined: Counter[str]


class CorpusScrubber:
    """Finds and replaces secrets and personal data.

    Args:
        deny: Words of the operator (names, hosts, domains) that always go, in either case.

    Raises:
        ScrubberUnavailable: a part that scrubbing needs cannot run.
    """

    def __init__(self, deny: Sequence[str] = ()) -> None:
        try:
            from node0.finetune.corpus.rules_person import FINDERS  # may fail, and then nothing is stored
        except Exception as error:
            raise ScrubberUnavailable(
                f"scrubbing cannot run ({error}): repair the installation; nothing was stored"
            ) from error
        self._finders = FINDERS
        words = sorted((word for word in deny if word.strip()), key=len, reverse=True)
        self._deny = re.compile("|".join(re.escape(word) for word in words), re.IGNORECASE) if words else None
        table = repr([(rule.kind, rule.anchors, rule.pattern.pattern) for rule in SECRET_RULES]) + repr(words)
        self.version = f"{SCRUB_RULES_VERSION}-{hashlib.sha256(table.encode()).hexdigest()[:8]}"

    def scrub(self, text: str) -> tuple[str, list[str]]:
        """The text without secrets, and a description of each match that was redacted or is uncertain."""
        scrubbed, found = self._scrub(text, Placeholders(), reserve=True)
        return scrubbed, [f"{finding.tier}: {finding.kind}" for finding in found]

    def findings(self, text: str) -> list[Finding]:
        """Every match, in order, without overlaps; spans are those of `text`."""
        return _resolved(self._matches(text)) if len(text) >= SHORTEST else []

    def scrub_entry(self, entry: CorpusEntry) -> ScrubbedEntry:
        """The entry with every string scrubbed, `scrub_version` set and uncertain ones quarantined."""
        content = entry.model_dump(mode="json", include=set(SCRUBBED_FIELDS))
        placeholders = Placeholders()
        for text in _strings(content):
            placeholders.reserve(text)
        redacted: Counter[str] = Counter()
        quarantined: Counter[str] = Counter()

        def visit(value: Any) -> Any:
            if isinstance(value, str):
                scrubbed, found = self._scrub(value, placeholders, reserve=False)
                redacted.update(finding.kind for finding in found if finding.tier is Tier.REDACT)
                quarantined.update(finding.kind for finding in found if finding.tier is Tier.QUARANTINE)
                return scrubbed
            if isinstance(value, dict):
                return {visit(key): visit(item) for key, item in value.items()}
            return [visit(item) for item in value] if isinstance(value, list) else value

        changes = {"scrub_version": self.version, "quarantined": entry.quarantined}
        scrubbed_entry = CorpusEntry.model_validate({**entry.model_dump(), **visit(content), **changes})
        waits = entry.quarantined or bool(quarantined)
        return ScrubbedEntry(scrubbed_entry.model_copy(update={"quarantined": waits}), redacted, quarantined)

    def _scrub(self, text: str, placeholders: Placeholders, *, reserve: bool) -> tuple[str, list[Finding]]:
        if reserve:
            placeholders.reserve(text)
        gone: list[Finding] = []
        for _ in range(PASSES):
            found = self.findings(text)
            redact = [finding for finding in found if finding.tier is Tier.REDACT]
            if not redact:
                break
            # A placeholder is shorter than what it hides, so a second look may see more context.
            text = _replaced(text, redact, placeholders)
            gone += redact
        return text, gone + [finding for finding in found if finding.tier is Tier.QUARANTINE]

    def _matches(self, text: str) -> Iterator[Finding]:
        folded = text.lower()
        if len(folded) != len(text):
            folded = "".join(letter.lower() if letter.isascii() else letter for letter in text)
        for rule in SECRET_RULES:
            yield from _rule_matches(rule, text, folded)
        for finder in self._finders:
            for kind, start, end, tier, name in finder(text):
                yield Finding(kind, tier, start, end, "" if kind in SECRET_WORDS else name)
        if self._deny:
            for match in self._deny.finditer(text):
                yield Finding("deny-list", Tier.REDACT, match.start(), match.end())


def _rule_matches(rule: Rule, text: str, folded: str) -> Iterator[Finding]:
    haystack = folded if rule.fold else text
    group = "secret" if "secret" in rule.pattern.groupindex else 0
    for anchor in rule.anchors:
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
                yield Finding(rule.kind, tier, *match.span(group))
                floor = match.end(group)
            at = haystack.find(anchor, max(at + len(anchor), floor))


def _resolved(found: Iterator[Finding]) -> list[Finding]:
    """Findings in order, without overlaps.

    What goes or is uncertain is joined where it overlaps, so that no part of either stays. A keep only
    says that its own rule is content: it gives way to any other finding.
    """
    result: list[Finding] = []
    for finding in sorted(found, key=_place):
        last = result[-1] if result else None
        if finding.start >= finding.end:
            continue
        if last is None or finding.start >= last.end:
            result.append(finding)
        elif finding.tier is not Tier.KEEP:
            result[-1] = finding if last.tier is Tier.KEEP else _joined(last, finding)
    return result


def _place(finding: Finding) -> tuple[int, bool, int]:
    return finding.start, finding.tier is Tier.KEEP, -finding.end


def _joined(first: Finding, second: Finding) -> Finding:
    """Both places under the name of the surer, then the longer one."""
    better = min(first, second, key=lambda item: (item.tier is not Tier.REDACT, item.start - item.end))
    start, end = min(first.start, second.start), max(first.end, second.end)
    same = (better.start, better.end) == (start, end)
    return better._replace(start=start, end=end, name=better.name if same else "")


def _replaced(text: str, findings: Sequence[Finding], placeholders: Placeholders) -> str:
    pieces, done = [], 0
    for finding in findings:
        pieces += [text[done : finding.start], placeholders.text(finding)]
        done = finding.end
    return "".join([*pieces, text[done:]])


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
