# SPDX-License-Identifier: Apache-2.0
"""Take secrets and personal data out of corpus entries, and audit entries that are stored.

`scrub_entry` visits every decoded string of an entry, also in tool inputs, tool results, system texts and
tool lists. Secrets become `[REDACTED:<kind>]`; what a reader must be able to tell apart becomes a numbered
name (`[EMAIL_1]`, `[IP_1]`, `/home/USER_1`), the same for the same value in one entry.
"""

import copy
import hashlib
import logging
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.scrub.finding import Finding, Tier
from node0.finetune.corpus.scrub.placeholders import Placeholders
from node0.finetune.corpus.scrub.text_scrubber import Detector, TextScrubber, Verdict
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.corpus.town.timestamps import timestamp_of

if TYPE_CHECKING:  # the rules are imported first, which say what is missing for them
    from node0.finetune.corpus.scrub.surrogates import Surrogates
    from node0.finetune.corpus.scrub.voters import Voter

logger = logging.getLogger(__name__)

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
IDS = frozenset({"id", "tool_use_id", "call_id"})
"Fields of blocks that tie a call to its result."

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
GONE = (Tier.REDACT, Tier.QUARANTINE)
MODEL = re.compile(r"[A-Za-z0-9<][A-Za-z0-9._:/@+>-]{0,127}")
IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}")


class ScrubbedEntry(NamedTuple):
    """An entry without its secrets, and how many of each kind were found."""

    entry: CorpusEntry
    redacted: Counter[str]
    quarantined: Counter[str]


class Known(Protocol):
    """What is known to be secret before a text is read."""

    @property
    def learned(self) -> int:
        """How much was learned so far."""

    def findings(self, text: str, words: AbstractSet[str] | None = None) -> Iterator[Finding]:
        """Every place at which it stands, whatever stands around it.

        Args:
            words: All of the text, where they are known already.
        """

    def learn(self, values: Iterable[tuple[str, str]]) -> None:
        """Look for values from now on too, each with its kind, as it was written."""

    def take_news(self) -> "Known | None":
        """What finds only values that are new since the last time it was taken; None where none is."""

    def keep(self) -> None:
        """The corpus was looked through for all news that were taken."""


class CorpusScrubber(TextScrubber):
    """A scrubber of whole entries, whose placeholders have the same numbers throughout an entry.

    Args:
        known: What is known to be secret, and learns what entries hold; the others as of `TextScrubber`.
    """

    def __init__(
        self,
        deny: Sequence[str] = (),
        *,
        rules: Sequence[Detector] = (),
        voters: "Sequence[Voter] | None" = None,
        verdict: Verdict | None = None,
        surrogates: "Surrogates | None" = None,
        known: Known | None = None,
    ) -> None:
        super().__init__(
            deny,
            rules=rules,
            voters=voters,
            verdict=verdict,
            surrogates=surrogates,
            known=[known.findings] if known else (),
            state=(lambda: known.learned) if known else int,
        )
        self.known = known

    def scrub_entry(self, entry: CorpusEntry) -> ScrubbedEntry:
        """The entry with every string scrubbed, `scrub_version` set and uncertain ones quarantined."""
        content = _content(entry)
        placeholders = self.placeholders()
        for leaf in _leaves(content):
            placeholders.reserve(leaf.text)
        redacted: Counter[str] = Counter()
        quarantined: Counter[str] = Counter()

        def visit(value: Any, name: str = "", *, wide: bool = True) -> Any:
            if isinstance(value, str):
                wide = wide and name not in IDS
                scrubbed, found = self.redact(value, placeholders, name=name, wide=wide)
                redacted.update(finding.kind for finding in found if finding.tier is Tier.REDACT)
                quarantined.update(finding.kind for finding in found if finding.tier is Tier.QUARANTINE)
                return scrubbed
            if isinstance(value, dict):
                return {
                    visit(key, wide=False): visit(item, _name_of(key, value)) for key, item in value.items()
                }
            return [visit(item, name) for item in value] if isinstance(value, list) else value

        scrubbed_content = visit(content)
        if placeholders.stand_ins:
            scrubbed_content = _changed(scrubbed_content, placeholders.stand_ins.again)
        changes = {
            **self._header(entry),
            "scrub_version": self.version,
            "quarantined": entry.quarantined,
        }
        scrubbed_entry = CorpusEntry.model_validate({**entry.model_dump(), **scrubbed_content, **changes})
        if self.known:
            self.known.learn(placeholders.replaced)
        logger.debug("Redacted %d items from entry %s", redacted.total(), entry.id)
        waits = entry.quarantined or bool(quarantined)
        return ScrubbedEntry(scrubbed_entry.model_copy(update={"quarantined": waits}), redacted, quarantined)

    def holds(self, entry: CorpusEntry, known: Known) -> bool:
        """Whether what is known stands in a string of an entry, as it is written there."""
        return any(True for leaf in _leaves(_content(entry)) for _ in known.findings(leaf.text))

    def cleaned(self, text: str) -> str:
        """A string that stands by itself without what the rules are sure about."""
        return self.redact(text, Placeholders(), wide=False)[0]

    def _header(self, entry: CorpusEntry) -> dict[str, str | None]:
        """The fields that must be an id or a time: what is neither, or holds a secret, does not stay."""
        return {
            "id": self._identifier(entry.id),
            "session_id": self._identifier(entry.session_id) if entry.session_id else entry.session_id,
            "answered_by": self._models(entry.answered_by),
            "created_at": entry.created_at if timestamp_of(entry.created_at) else "",
        }

    def _models(self, names: str | None) -> str | None:
        """Names of models; what is none, or holds a secret, becomes a digest, which no version is called."""
        if names is None or all(MODEL.fullmatch(name) for name in names.split(" ")):
            found = any(one.tier in GONE for one in self.found_by_rules(names or "", wide=False))
            return names if not found else _digest(str(names))
        return _digest(names)

    def _identifier(self, name: str) -> str:
        if UUID.fullmatch(name):
            return name
        found = any(one.tier in GONE for one in self.found_by_rules(name, wide=False))
        if IDENTIFIER.fullmatch(name) and not found:
            return name
        return _digest(name)

    def uncertain(self, entry: CorpusEntry, *, decided: bool = False) -> Iterator[tuple[str, str, Finding]]:
        """What a person must look at: the place in the entry, its text, and the finding in it.

        Args:
            entry: As it was stored.
            decided: Also what a person has decided about already.
        """
        look = self.found_by_rules if decided else self.findings
        for leaf in _leaves(_content(entry)):
            found = (
                one for one in look(leaf.text, name=leaf.name, wide=False) if one.tier is Tier.QUARANTINE
            )
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
        look = self.found_by_rules if strict else self.findings
        told = {Tier.REDACT} if entry.quarantined and not strict else {Tier.REDACT, Tier.QUARANTINE}
        return [
            f"{finding.tier}: {finding.kind} in {leaf.place}"
            for leaf in _leaves(_content(entry))
            for finding in look(leaf.text, name=leaf.name, wide=_is_free(leaf))
            if finding.tier in told
        ]

    def audit_store(
        self, store: CorpusStore, role: str | None = None, *, strict: bool = False
    ) -> dict[str, list[str]]:
        """The entries in which something is found, with what; changes nothing."""
        found = ((entry.id, self.audit_entry(entry, strict)) for entry in store.entries(role))
        flagged = {entry_id: matches for entry_id, matches in found if matches}
        if flagged:
            logger.warning("Audit flagged %d entries with potential PII", len(flagged))
        return flagged


def _changed(value: Any, change: Callable[[str], str], name: str = "") -> Any:
    """Every string that is no key and no id, changed."""
    if isinstance(value, str):
        return value if name in IDS else change(value)
    if isinstance(value, dict):
        return {key: _changed(item, change, key) for key, item in value.items()}
    return [_changed(item, change, name) for item in value] if isinstance(value, list) else value


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _content(entry: CorpusEntry) -> dict[str, Any]:
    return entry.model_dump(mode="json", include=set(SCRUBBED_FIELDS))


class _Leaf(NamedTuple):
    """One string of an entry."""

    place: str
    "The way to it."

    name: str
    "Of the field that it stands in; empty for names."

    text: str


def _is_free(leaf: _Leaf) -> bool:
    """Whether it is neither a key nor an id."""
    return leaf.name not in IDS and not leaf.place.startswith(("a name in ", "a field"))


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
