# SPDX-License-Identifier: Apache-2.0
"""The review queue: entries with values that no rule is sure about wait here until a person decides.

Decisions are kept in `<corpus>/.review.json`, so that collecting the same session again does not ask
again: values as keyed hashes, never as text. A dropped entry is on the retract list.
"""

import contextlib
import hashlib
import hmac
import json
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from node0.documents.json_document import read_object
from node0.errors import BadCorpus
from node0.files import locked, private_directory, write_atomically
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.scrub.finding import Finding, Tier
from node0.finetune.corpus.scrubber import CorpusScrubber
from node0.finetune.corpus.store import CorpusStore

DECISIONS = ".review.json"
AROUND = 40
"Characters of context on either side."

MASK = "*"
"What a sign of an uncertain value is shown as."

Uncertain = tuple[str, str, Finding]
"Place in the entry, its text, and the finding in it."


class ReviewItem(NamedTuple):
    """One value that somebody must look at."""

    entry_id: str
    role: str
    place: str
    kind: str
    value: str
    before: str
    after: str


Hex = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]+$")]


class _Kept(BaseModel):
    """The file of decisions."""

    model_config = ConfigDict(extra="forbid", strict=True)

    key: Hex
    accepted: list[Hex]
    redacted: list[Hex]


@dataclass
class Decisions:
    """What was decided so far."""

    key: str = field(default_factory=lambda: secrets.token_hex(16))
    accepted: set[str] = field(default_factory=set)
    redacted: set[str] = field(default_factory=set)

    def verdict(self, value: str) -> Tier | None:
        """What was decided about a value; None where nobody has."""
        if not self.accepted and not self.redacted:
            return None
        mark = self.mark(value)
        if mark in self.redacted:
            return Tier.REDACT
        return Tier.KEEP if mark in self.accepted else None

    def mark(self, value: str) -> str:
        """What is remembered of a value."""
        return hmac.new(self.key.encode(), value.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def read_decisions(root: Path) -> Decisions:
    """What was decided in a corpus.

    Raises:
        BadCorpus: the file cannot be read.
    """
    path = root / DECISIONS
    if not path.is_file():
        return Decisions()
    try:
        kept = _Kept.model_validate(read_object(path))
    except ValidationError as error:
        raise _unreadable(path, f"{error.errors()[0]['loc']}: {error.errors()[0]['msg']}") from None
    except (ValueError, OSError) as error:
        raise _unreadable(path, str(error)) from None
    return Decisions(kept.key, set(kept.accepted), set(kept.redacted))


def _unreadable(path: Path, why: str) -> BadCorpus:
    return BadCorpus(f"{path} cannot be read ({why}): restore it, or delete it to decide again")


class CurrentDecisions:
    """What has been decided in a corpus by now, also by a review that goes on beside.

    Args:
        root: The corpus directory.

    Raises:
        BadCorpus: the file of decisions cannot be read.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._mark: tuple[int, int] | None = None
        self._decisions = Decisions()
        self._refresh()

    def verdict(self, value: str) -> Tier | None:
        """What was decided about a value; None where nobody has."""
        self._refresh()
        return self._decisions.verdict(value)

    def _refresh(self) -> None:
        mark = _mark(self._root / DECISIONS)
        if mark != self._mark:
            self._decisions, self._mark = read_decisions(self._root), mark


def _mark(path: Path) -> tuple[int, int] | None:
    """Another one for every file that replaces the one before."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


class ReviewQueue:
    """The entries of a store that wait, and what a person may do with each.

    Args:
        store: Whose entries.
        scrubber: Made with `CurrentDecisions(store.root).verdict`, or the queue asks again.
    """

    def __init__(self, store: CorpusStore, scrubber: CorpusScrubber) -> None:
        self._store = store
        self._scrubber = scrubber

    def waiting(self, role: str | None = None, *, masked: bool = False) -> Iterator[ReviewItem]:
        """Every uncertain value of every entry in quarantine; `masked`, none can be read."""
        for header in self._store.headers(role):
            if header.quarantined:
                yield from self.values(self._store.get(header.id), masked=masked)

    def values(self, entry: CorpusEntry, *, masked: bool = False) -> Iterator[ReviewItem]:
        """The uncertain values of one entry; one without a kind where today's rules name none."""
        found = list(self._scrubber.uncertain(entry))
        for place, text, finding in _masked(found) if masked else found:
            before = text[max(0, finding.start - AROUND) : finding.start]
            after = text[finding.end : finding.end + AROUND]
            value = text[finding.start : finding.end]
            yield ReviewItem(entry.id, entry.role, place, finding.kind, value, before, after)
        if not found and entry.quarantined:
            yield ReviewItem(entry.id, entry.role, "", "", "", "", "")

    def accept(self, entry_id: str) -> None:
        """The values are no secrets: they stay, here and wherever they are found again."""
        self._decide(entry_id, Tier.KEEP)

    def redact(self, entry_id: str) -> None:
        """The values are secrets: they go, here and wherever they are found again."""
        self._decide(entry_id, Tier.REDACT)

    def settle(self) -> list[str]:
        """Let go the other entries whose every uncertain value has been decided about; their ids."""
        ids = [header.id for header in self._store.headers() if header.quarantined]
        return [entry_id for entry_id in ids if self._settled(self._store.get(entry_id))]

    def _settled(self, entry: CorpusEntry) -> bool:
        known = any(self._scrubber.uncertain(entry, decided=True))
        if not known or any(self._scrubber.uncertain(entry)):
            return False
        self._store.add(self._scrubber.scrub_entry(entry.model_copy(update={"quarantined": False})).entry)
        return True

    def _decide(self, entry_id: str, tier: Tier) -> None:
        entry = self._waiting_entry(entry_id)
        values = {one.value for one in self.values(entry) if one.kind}
        with self._deciding() as decisions:
            marks = {decisions.mark(value) for value in values}
            decisions.accepted = decisions.accepted - marks | (marks if tier is Tier.KEEP else set())
            decisions.redacted = decisions.redacted - marks | (marks if tier is Tier.REDACT else set())
        self._scrubber = self._scrubber.deciding(values, tier)
        self._store.add(self._scrubber.scrub_entry(entry.model_copy(update={"quarantined": False})).entry)

    def drop(self, entry_id: str) -> None:
        """The entry goes, and is not taken in again."""
        entry = self._waiting_entry(entry_id)
        self._store.retract([entry], reason="dropped in review", delete=True)

    def _waiting_entry(self, entry_id: str) -> CorpusEntry:
        entry = self._store.get(entry_id)
        if not entry.quarantined:
            raise BadCorpus(f"entry {entry_id} is not in quarantine: see `node0-corpus review list`")
        return entry

    @contextlib.contextmanager
    def _deciding(self) -> Iterator[Decisions]:
        root = self._store.root
        private_directory(root)
        with locked(root / f"{DECISIONS}.lock"):
            decisions = read_decisions(root)
            yield decisions
            content = {"key": decisions.key}
            kept = {name: sorted(getattr(decisions, name)) for name in ("accepted", "redacted")}
            write_atomically(root / DECISIONS, json.dumps({**content, **kept}, indent=1) + "\n")


def _masked(found: Sequence[Uncertain]) -> Iterator[Uncertain]:
    """The same in texts in which none of the values can be read, also not beside another one."""
    hidden: dict[str, str] = {}
    for place, text, finding in found:
        shown = hidden.get(place, text)
        mask = MASK * (finding.end - finding.start)
        hidden[place] = f"{shown[: finding.start]}{mask}{shown[finding.end :]}"
    yield from ((place, hidden[place], finding) for place, _, finding in found)
