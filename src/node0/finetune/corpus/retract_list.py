# SPDX-License-Identifier: Apache-2.0
"""The retract list, `<corpus>/.retracted.json`: entries that no dataset takes again.

An entry is known by its id, by the digest of its content, and by what it said (`retracted_turns`), so that
neither a grown session, nor a copy under another id, nor a session that goes on from it brings it back. The
list outlives the entry's file.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from node0.documents.json_document import read_object
from node0.errors import BadCorpus
from node0.files import locked, private_directory, write_atomically
from node0.finetune.corpus.retracted_turns import marks_of
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.run_dir import find_runs

FILE = ".retracted.json"


class Retraction(BaseModel):
    """One entry that was taken back."""

    model_config = ConfigDict(extra="forbid")

    content_digest: str
    role: str
    at: str
    "ISO 8601, UTC."

    reason: str = ""
    deleted: bool = False
    "Its file is gone too, and no collection writes it again."

    turns: list[str] = Field(default_factory=list)
    "Marks of its answers, by which they are known in other entries."


class Use(NamedTuple):
    """A run that has seen an entry."""

    run: Path
    id: str
    split: str
    times_seen: int


class RetractList:
    """The list of one corpus, as it was when this was made.

    Raises:
        BadCorpus: the list cannot be read. Nothing may be trained on then.
    """

    def __init__(self, corpus: Path) -> None:
        self._path = corpus / FILE
        self.entries = _read(self._path)
        "Retractions by id."

        self._index()

    def holds(self, entry: CorpusEntry) -> bool:
        """Whether this entry, one that it was made of, or something that it says was retracted."""
        made_of = entry.origin.entries if entry.origin is not None else ()
        return (
            not self.entries.keys().isdisjoint((entry.id, *made_of))
            or (entry.content_digest or entry.digest()) in self._digests
            or (bool(self._turns) and not self._turns.isdisjoint(marks_of(entry)))
        )

    def refuses(self, entry: CorpusEntry) -> bool:
        """Whether it may not even be stored."""
        gone = {name: known for name, known in self.entries.items() if known.deleted}
        if not gone:
            return False
        turns = {turn for known in gone.values() for turn in known.turns}
        digest = entry.content_digest or entry.digest()
        return (
            entry.id in gone
            or any(known.content_digest == digest for known in gone.values())
            or (bool(turns) and not turns.isdisjoint(marks_of(entry)))
        )

    def add(
        self,
        entries: Iterable[CorpusEntry],
        *,
        reason: str = "",
        deleted: bool = False,
        turns: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ) -> None:
        """Retract entries; the list on disk is changed under a lock.

        Args:
            turns: Marks of what each entry says that tell it, by id; see `CorpusStore.retract`.
        """
        at = datetime.now(UTC).isoformat(timespec="seconds")
        new = {
            entry.id: Retraction(
                content_digest=entry.digest(),
                role=entry.role,
                at=at,
                reason=reason,
                deleted=deleted,
                turns=list(turns.get(entry.id, ())),
            )
            for entry in entries
        }
        self._change(lambda known: {**known, **new})

    def undo(self, ids: Sequence[str]) -> None:
        """Take entries off the list."""
        self._change(lambda known: {name: item for name, item in known.items() if name not in ids})

    def _index(self) -> None:
        self._digests = {known.content_digest for known in self.entries.values()}
        self._turns = {turn for known in self.entries.values() for turn in known.turns}

    def _change(self, change: Callable[[dict[str, Retraction]], dict[str, Retraction]]) -> None:
        private_directory(self._path.parent)
        with locked(self._path.with_name(f"{FILE}.lock")):
            self.entries = change(_read(self._path))
            self._index()
            rows = {name: known.model_dump() for name, known in sorted(self.entries.items())}
            write_atomically(
                self._path, json.dumps({"version": 1, "entries": rows}, ensure_ascii=False) + "\n"
            )


def runs_that_saw(retracted: RetractList, ids: Iterable[str], places: Iterable[Path]) -> Iterator[Use]:
    """Every run below `places` that has seen one of the entries, or a copy of its content."""
    wanted = set(ids)
    digests = {retracted.entries[name].content_digest: name for name in wanted & retracted.entries.keys()}
    for run in find_runs(places):
        for used in run.entries():
            name, copy = used.get("id"), digests.get(str(used.get("content_digest")))
            name = name if name in wanted else copy
            if name:
                yield Use(run.root, str(name), str(used.get("split")), used.get("times_seen") or 0)


def _read(path: Path) -> dict[str, Retraction]:
    if not path.is_file():
        return {}
    try:
        rows = read_object(path)["entries"]
        return {name: Retraction.model_validate(row) for name, row in rows.items()}
    except (ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise BadCorpus(
            f"the retract list {path} cannot be read ({reason}): repair it before anything is trained"
        ) from error
