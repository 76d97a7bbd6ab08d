# SPDX-License-Identifier: Apache-2.0
"""Stage entries for another operator: scrubbed again, anonymized, for a person to review.

Switched on by the block `corpus_sharing` of `<town>/.models/settings.yaml`; nothing is shared by default.
What is written is staged: nothing here sends it anywhere. `approve` looks at a staged file again and
remembers its digest in `<town>/.models/shared.jsonl`.

Rigs, sessions and entries leave under pseudonyms (`exchange.pseudonyms`).
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from node0.errors import BadCorpus, ConfigError, GateRefused, NotFound, SharingDisabled
from node0.files import open_to_append, private_directory, sha256_of, whole_file
from node0.finetune.corpus.exchange.identifiers import Identifiers
from node0.finetune.corpus.exchange.pseudonyms import ID_DIGITS, pseudonym, pseudonymized, read_salt
from node0.finetune.corpus.exchange.town_names import gather
from node0.finetune.corpus.quality.review_queue import CurrentDecisions
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.scrub.text_scrubber import SCRUB_RULES_VERSION
from node0.finetune.corpus.scrubber import CorpusScrubber
from node0.finetune.corpus.store import CorpusStore, EntryHeader
from node0.finetune.corpus.town_scrubber import town_scrubber
from node0.settings import read_block
from node0.town import Town

BLOCK = "corpus_sharing"
RIG_DIGITS = 8
SHARED_VERSION = f"{SCRUB_RULES_VERSION}-shared"
"The rules of one town are nobody else's business."


class SharingSettings(BaseModel):
    """The block `corpus_sharing` of a town's model settings."""

    model_config = ConfigDict(extra="forbid")

    enabled: bool = False
    "Whether anything may be shared at all."

    rigs: list[str] = Field(default_factory=list)
    "Only entries of these rigs; empty takes all."


@dataclass
class Staged:
    """What was written for review."""

    path: Path
    entries: int = 0
    sha256: str = ""
    redacted: Counter[str] = field(default_factory=Counter)
    "By kind: what the second look took out."

    left_out: Counter[str] = field(default_factory=Counter)
    "Entries, by reason."


class Approval(NamedTuple):
    """A staged file that a person has looked at."""

    file: str
    sha256: str
    entries: int
    reviewer: str
    approved_at: str


class CorpusSharingExporter:
    """Writes entries that another operator may have.

    Args:
        town: Whose; None takes the town that is found.
        identifiers: What must not leave it; None asks the town, its corpus and this machine.
    """

    def __init__(self, town: Town | None = None, *, identifiers: Identifiers | None = None) -> None:
        self._town = town or Town.locate()
        self._identifiers = identifiers

    def export_for_sharing(self, store: CorpusStore, role: str, output_path: Path) -> int:
        """Write the shareable entries of a role as JSON lines; how many.

        Raises:
            SharingDisabled: the town has not switched sharing on.
            ConfigError: the output lies in the corpus, or the settings or the salt cannot be used.
            BadCorpus: no entry is left to share.
        """
        return self.stage(store, role, output_path).entries

    def stage(self, store: CorpusStore, role: str, output: Path) -> Staged:
        """As `export_for_sharing`, with what was taken out and what was left out."""
        settings = self._switched_on()
        path = output / f"{role}.jsonl" if output.is_dir() or not output.suffix else output
        for place in (store.root, self._town.corpus):
            if path.resolve().is_relative_to(place.resolve()):
                raise ConfigError(f"{path} lies in the corpus {place}: name another place with --output")
        salt, scrubber = read_salt(self._town), self._scrubber(store)
        staged, digest = Staged(path), hashlib.sha256()
        with whole_file(path) as file:
            for line in self._lines(store, role, settings, salt=salt, scrubber=scrubber, staged=staged):
                file.write(line)
                digest.update(line.encode())
            if not staged.entries:
                reasons = ", ".join(f"{why}: {count}" for why, count in sorted(staged.left_out.items()))
                raise BadCorpus(
                    f"nothing of role {role} can be shared ({reasons or 'no entry'}): see node0-corpus list"
                )
        staged.sha256 = digest.hexdigest()
        return staged

    def approve(self, store: CorpusStore, path: Path, *, reviewer: str) -> Approval:
        """Look at every line of a staged file again, and remember that a person has approved it.

        Lines may have been taken out or edited in review.

        Raises:
            SharingDisabled: the town has not switched sharing on.
            NotFound, BadCorpus: there is no such file, or a line is no entry.
            GateRefused: something is left in it.
        """
        self._switched_on()
        entries = list(read_staged(path))
        scrubber = self._scrubber(store)
        for number, entry in enumerate(entries, start=1):
            found = [*_telling_fields(entry), *scrubber.audit_entry(entry)]
            if found:
                raise GateRefused(
                    f"{path}, line {number}: {found[0]} and {len(found) - 1} more; share it again, or edit it"
                )
        approval = Approval(
            path.name,
            sha256_of(path),
            len(entries),
            reviewer,
            datetime.now(UTC).isoformat(timespec="seconds"),
        )
        record = self._town.models / "shared.jsonl"
        private_directory(record.parent)
        with open_to_append(record) as file:
            file.write(f"{json.dumps(approval._asdict(), ensure_ascii=False)}\n".encode())
        return approval

    def _switched_on(self) -> SharingSettings:
        file = self._town.model_settings_file
        settings = read_block(SharingSettings, file, block=BLOCK)
        if not settings.enabled:
            raise SharingDisabled(
                f"corpus_sharing.enabled is false: to share, write `{BLOCK}: {{enabled: true}}` into {file}; "
                "see docs/operator.md"
            )
        return settings

    def _scrubber(self, store: CorpusStore) -> CorpusScrubber:
        identifiers = self._identifiers or gather(self._town, store.headers())
        verdict = CurrentDecisions(store.root).verdict
        return town_scrubber(self._town, verdict=verdict, more=[identifiers])

    def _lines(
        self,
        store: CorpusStore,
        role: str,
        settings: SharingSettings,
        *,
        salt: str,
        scrubber: CorpusScrubber,
        staged: Staged,
    ) -> Iterator[str]:
        # In the order of their new names, so that the order tells nothing.
        for header in sorted(store.headers(role), key=lambda header: pseudonym(header.id, salt, ID_DIGITS)):
            reason = _reason(header, settings)
            entry = None if reason else store.get(header.id)
            if entry and store.retracted().holds(entry):
                reason = "retracted"
            scrubbed = scrubber.scrub_entry(pseudonymized(entry, salt)) if entry and not reason else None
            if scrubbed and scrubbed.entry.quarantined:
                reason = "holds a value that nobody has decided about"
            if scrubbed is None or reason:
                staged.left_out[reason] += 1
                continue
            staged.redacted += scrubbed.redacted
            staged.entries += 1
            entry = scrubbed.entry.model_copy(
                update={"rig": pseudonym(header.rig, salt, RIG_DIGITS), "scrub_version": SHARED_VERSION}
            )
            content = entry.model_dump(mode="json", exclude={"content_digest", "tokens"})
            yield json.dumps(content, ensure_ascii=False) + "\n"


def read_staged(path: Path) -> Iterator[CorpusEntry]:
    """The entries of a staged file.

    Raises:
        NotFound: there is no such file.
        BadCorpus: a line is no entry.
    """
    if not path.is_file():
        raise NotFound(f"no staged file {path}: make one with `node0-corpus share --role R --output {path}`")
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield _staged_entry(path, number, line)


def _staged_entry(path: Path, number: int, line: str) -> CorpusEntry:
    try:
        return CorpusEntry.model_validate_json(line)
    except ValidationError as error:
        problem = str(error.errors()[0]["msg"])
        raise BadCorpus(
            f"{path}, line {number} is no entry ({problem}): take it out, or share again"
        ) from error


def _reason(header: EntryHeader, settings: SharingSettings) -> str:
    if header.quarantined:
        return "in quarantine"
    return "of a rig that does not share" if settings.rigs and header.rig not in settings.rigs else ""


def _telling_fields(entry: CorpusEntry) -> Iterable[str]:
    """Fields that were not made nameless."""
    facts: dict[str, Any] = {
        "a bead": entry.bead_id,
        "what it was made of": entry.origin,
        "a day": not entry.created_at.endswith("-01T00:00:00Z"),
        "a time": any(call.at or call.answer for call in entry.requests),
        "a rig": len(entry.rig) != RIG_DIGITS or set(entry.rig) - set("0123456789abcdef"),
    }
    return [f"{what} in its fields" for what, there in facts.items() if there]
