# SPDX-License-Identifier: Apache-2.0
"""Take secrets and personal data out of text, with exact spans and consistent placeholders.

Works on decoded strings: `scrub_entry` visits every string of an entry, also in tool inputs, tool results,
system texts and tool lists. Secrets become `[REDACTED:<kind>]`; what a reader must be able to tell apart
becomes a numbered name (`[EMAIL_1]`, `[IP_1]`, `/home/USER_1`), the same for the same value in one entry.

Three tiers: redact; quarantine (the text stays, the entry waits for a person and is never trained on);
keep (an example, a variable, a documentation address). Scrubbing twice changes nothing. Time is linear.
"""

import copy
import hashlib
import logging
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from node0.errors import ScrubberUnavailable
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.scrub.finding import Finding as Finding
from node0.finetune.corpus.scrub.finding import resolved
from node0.finetune.corpus.scrub.placeholders import Placeholders, replaced
from node0.finetune.corpus.scrub.rules.secrets import SECRET_RULES, Tier
from node0.finetune.corpus.scrub.voters import Voter, make_voters

if TYPE_CHECKING:
    from node0.finetune.corpus.store import CorpusStore

logger = logging.getLogger(__name__)

SCRUB_RULES_VERSION = 3
SHORTEST = 6
"No rule matches fewer characters."

PASSES = 8
LONG = 200_000
"Longer texts are looked at again only where something was replaced."

LONGEST_NAMED = 512
TELLING = re.compile(r"pass|pwd|secret|token|cred|key|auth|cookie", re.IGNORECASE)
"Names of fields that may say what is in them."

AROUND = 8192
"Characters on either side of it; no rule but the key blocks' reaches further."

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
Verdict = Callable[[str], Tier | None]
"What a person decided about an uncertain value; None where nobody has."


class Pattern(Protocol):
    """What a town adds to the table of rules."""

    @property
    def identity(self) -> str:
        """All of it, for the version of a scrubber."""

    def findings(self, text: str) -> Iterator[Finding]:
        """Every place."""


class ScrubbedEntry(NamedTuple):
    """An entry without its secrets, and how many of each kind were found."""

    entry: CorpusEntry
    redacted: Counter[str]
    quarantined: Counter[str]


class CorpusScrubber:
    """Finds and replaces secrets and personal data.

    Args:
        deny: Words of the operator (names, hosts, domains) that always go, in either case.
        rules: Patterns of the operator.
        voters: Asked about what the rules are not sure about; None takes the shipped default.
        verdict: Knows what a person decided about uncertain values.

    Raises:
        ScrubberUnavailable: a part that scrubbing needs cannot run.
    """

    def __init__(
        self,
        deny: Sequence[str] = (),
        *,
        rules: Sequence[Pattern] = (),
        voters: Sequence[Voter] | None = None,
        verdict: Verdict | None = None,
    ) -> None:
        try:
            from node0.finetune.corpus.scrub.matcher import Matcher  # may fail, and then nothing is stored
        except Exception as error:
            raise ScrubberUnavailable(
                f"scrubbing cannot run ({error}): repair the installation; nothing was stored"
            ) from error
        asked = make_voters() if voters is None else tuple(voters)
        words = sorted((word for word in deny if word.strip()), key=len, reverse=True)
        self._matcher = Matcher([*(rule.findings for rule in rules), *_deny_list(words)], voters=asked)
        self._verdict = verdict or (lambda value: None)
        table = [
            *((rule.kind, rule.anchors, rule.pattern.pattern) for rule in SECRET_RULES),
            *(rule.identity for rule in rules),
            *words,
            *(voter.name for voter in asked),
        ]
        self.version = f"{SCRUB_RULES_VERSION}-{hashlib.sha256(repr(table).encode()).hexdigest()[:8]}"

    def scrub(self, text: str) -> tuple[str, list[str]]:
        """The text without secrets, and a description of each match that was redacted or is uncertain."""
        placeholders = Placeholders()
        placeholders.reserve(text)
        scrubbed, found = self._scrub(text, placeholders)
        return scrubbed, [f"{finding.tier}: {finding.kind}" for finding in found]

    def findings(self, text: str, *, name: str = "") -> list[Finding]:
        """Every match, in order, without overlaps; spans are those of `text`.

        Args:
            name: Of the field that the text stands in, which may give it away.
        """
        return [self._decided(text, finding) for finding in self._undecided(text, name=name)]

    def scrub_entry(self, entry: CorpusEntry) -> ScrubbedEntry:
        """The entry with every string scrubbed, `scrub_version` set and uncertain ones quarantined."""
        content = _content(entry)
        placeholders = Placeholders()
        for leaf in _leaves(content):
            placeholders.reserve(leaf.text)
        redacted: Counter[str] = Counter()
        quarantined: Counter[str] = Counter()

        def visit(value: Any, name: str = "") -> Any:
            if isinstance(value, str):
                scrubbed, found = self._scrub(value, placeholders, name=name)
                redacted.update(finding.kind for finding in found if finding.tier is Tier.REDACT)
                quarantined.update(finding.kind for finding in found if finding.tier is Tier.QUARANTINE)
                return scrubbed
            if isinstance(value, dict):
                return {visit(key): visit(item, _name_of(key, value)) for key, item in value.items()}
            return [visit(item, name) for item in value] if isinstance(value, list) else value

        changes = {"scrub_version": self.version, "quarantined": entry.quarantined}
        scrubbed_entry = CorpusEntry.model_validate({**entry.model_dump(), **visit(content), **changes})
        logger.debug("Redacted %d items from entry %s", redacted.total(), entry.id)
        waits = entry.quarantined or bool(quarantined)
        return ScrubbedEntry(scrubbed_entry.model_copy(update={"quarantined": waits}), redacted, quarantined)

    def uncertain(self, entry: CorpusEntry, *, decided: bool = False) -> Iterator[tuple[str, str, Finding]]:
        """What a person must look at: the place in the entry, its text, and the finding in it.

        Args:
            entry: As it was stored.
            decided: Also what a person has decided about already.
        """
        look = self._undecided if decided else self.findings
        for leaf in _leaves(_content(entry)):
            found = (one for one in look(leaf.text, name=leaf.name) if one.tier is Tier.QUARANTINE)
            yield from ((leaf.place, leaf.text, finding) for finding in found)

    def deciding(self, values: Collection[str], tier: Tier) -> "CorpusScrubber":
        """One that also knows this about these uncertain values."""
        other = copy.copy(self)
        other._verdict = lambda value: tier if value in values else self._verdict(value)
        return other

    def audit_entry(self, entry: CorpusEntry, strict: bool = False) -> list[str]:
        """What the rules of today find in a stored entry: tier, kind and place, never the value.

        Args:
            entry: As it was stored.
            strict: Also what waits in quarantine already, and what a person accepted.
        """
        look = self._undecided if strict else self.findings
        told = {Tier.REDACT} if entry.quarantined and not strict else {Tier.REDACT, Tier.QUARANTINE}
        return [
            f"{finding.tier}: {finding.kind} in {leaf.place}"
            for leaf in _leaves(_content(entry))
            for finding in look(leaf.text, name=leaf.name)
            if finding.tier in told
        ]

    def audit_store(
        self, store: "CorpusStore", role: str | None = None, *, strict: bool = False
    ) -> dict[str, list[str]]:
        """The entries in which something is found, with what; changes nothing."""
        found = ((entry.id, self.audit_entry(entry, strict)) for entry in store.entries(role))
        flagged = {entry_id: matches for entry_id, matches in found if matches}
        if flagged:
            logger.warning("Audit flagged %d entries with potential PII", len(flagged))
        return flagged

    def _scrub(self, text: str, placeholders: Placeholders, *, name: str = "") -> tuple[str, list[Finding]]:
        gone: list[Finding] = []
        for _ in range(PASSES):
            found = self.findings(text, name=name)
            redact = [finding for finding in found if finding.tier is Tier.REDACT]
            if not redact:
                break
            # A placeholder is shorter than what it hides, so a second look may see more context.
            text, places = replaced(text, redact, placeholders)
            gone += redact
            if len(text) > LONG and not self._more_around(text, places):
                break
        return text, gone + [finding for finding in found if finding.tier is Tier.QUARANTINE]

    def _more_around(self, text: str, places: Sequence[int]) -> bool:
        """Whether something else comes to light near the placeholders of a long text."""
        done = 0
        for place in places:
            start, end = max(done, place - AROUND), min(len(text), place + AROUND)
            # Whole lines, for half a word may look like something.
            start = text.find("\n", start, place) + 1 or start
            end = max(text.rfind("\n", place, end), end if "\n" not in text[place:end] else 0)
            done = max(done, end - AROUND)
            if any(finding.tier is Tier.REDACT for finding in self.findings(text[start:end])):
                return True
        return False

    def _undecided(self, text: str, *, name: str = "") -> list[Finding]:
        found = self._matcher.findings(text) if len(text) >= SHORTEST else []
        telling = SHORTEST <= len(text) <= LONGEST_NAMED and TELLING.search(name)
        return resolved([*found, *self._named(text, name)]) if telling else found

    def _named(self, text: str, name: str) -> Iterator[Finding]:
        """What goes because of the field's name: of a single word, all of it."""
        before = f'{name}: "'
        for found in self._matcher.findings(f'{before}{text}"'):
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


def _content(entry: CorpusEntry) -> dict[str, Any]:
    return entry.model_dump(mode="json", include=set(SCRUBBED_FIELDS))


class _Leaf(NamedTuple):
    """One string of an entry."""

    place: str
    "The way to it."

    name: str
    "Of the field that it stands in; empty for names."

    text: str


def _leaves(value: Any, place: str = "", name: str = "") -> Iterator[_Leaf]:
    """Every string, also keys."""
    if isinstance(value, str):
        yield _Leaf(place, name, value)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield _Leaf(f"a name in {place}" if place else "a field", "", key)
            yield from _leaves(item, f"{place}.{key}" if place else key, _name_of(key, value))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _leaves(item, f"{place}[{number}]", name)


def _name_of(key: str, around: Mapping[str, Any]) -> str:
    """What names a value: its key, or the name that stands beside it."""
    label = around.get("name", around.get("key")) if key in ("value", "Value") else None
    return label if isinstance(label, str) else key
