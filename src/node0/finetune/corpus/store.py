# SPDX-License-Identifier: Apache-2.0
"""The corpus on disk: one JSON file an entry, `<root>/<role>/<id>.json`.

A file has two lines that are together one JSON object. The first holds the scalar fields, so that
listing ten thousand entries reads one line of each. Files are written whole or not at all.
"""

import hashlib
import json
import logging
import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from node0.documents.json_document import value_of
from node0.errors import BadCorpus, NotFound
from node0.files import private_directory, write_atomically
from node0.finetune.corpus.retract_list import RetractList
from node0.finetune.corpus.retracted_turns import telling_marks
from node0.finetune.corpus.schema import ID_PATTERN, CorpusEntry, estimated_tokens
from node0.town import Town

logger = logging.getLogger(__name__)

Read = TypeVar("Read")

WRITERS = 8
"Threads that write when many entries come at once: each waits for the disk, and eight wait as long as one."


class Added(StrEnum):
    """What `CorpusStore.add` did."""

    NEW = "new"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    RETRACTED = "retracted"
    "Refused: its file was deleted for good."


class EntryHeader(BaseModel):
    """The scalar fields of an entry."""

    model_config = ConfigDict(extra="forbid")

    id: str
    role: str
    rig: str
    task_type: str
    outcome: str
    created_at: str
    bead_id: str | None
    source: str
    session_id: str | None
    answered_by: str | None = None
    quality: float | None
    quarantined: bool
    scrub_version: str
    content_digest: str
    tokens: int
    "Estimated."

    bytes: int = 0
    "Size of the entry's file."


SCALARS = tuple(name for name in EntryHeader.model_fields if name != "bytes")


class CorpusStore:
    """Entries under one directory.

    Args:
        place: The corpus directory, a town, or None for the corpus of the town that is found.
    """

    def __init__(self, place: Path | Town | None = None) -> None:
        self.root = place if isinstance(place, Path) else (place or Town.locate()).corpus

    def add(self, entry: CorpusEntry) -> Added:
        """Store an entry under its id, replacing an older one; sets `content_digest` and `tokens`.

        Raises:
            BadCorpus: the retract list cannot be read.
        """
        entry = entry.model_copy(update={"content_digest": entry.digest(), "tokens": _tokens(entry)})
        if RetractList(self.root).refuses(entry):
            return Added.RETRACTED
        path = self._path(entry.role, entry.id)
        text = _file_text(entry)
        existed = [
            found for found in self.root.glob(f"*/{entry.id}.json") if not found.parent.name.startswith(".")
        ]
        if path in existed and path.read_bytes() == text.encode():
            return Added.UNCHANGED
        private_directory(self.root)
        private_directory(path.parent)
        write_atomically(path, text)
        for stale in existed:
            if stale != path:
                stale.unlink(missing_ok=True)
        return Added.UPDATED if existed else Added.NEW

    def add_all(self, entries: Iterable[CorpusEntry]) -> Sequence[Added]:
        """As `add`, for entries of different ids; what was done with each, in order."""
        with ThreadPoolExecutor(WRITERS) as pool:
            return list(pool.map(self.add, entries))

    def get(self, entry_id: str) -> CorpusEntry:
        """The entry of this id.

        Raises:
            NotFound: there is none.
            BadCorpus: its file cannot be read, or was changed by hand.
        """
        return read_entry(self._find(entry_id))

    def list(self, role: str | None = None) -> list[CorpusEntry]:
        """Every entry of a role, or of all, sorted by id."""
        return list(self.entries(role))

    def entries(self, role: str | None = None) -> Iterator[CorpusEntry]:
        """As `list`, one at a time; a file that is no entry is named and passed over."""
        return self._each(role, read_entry)

    def headers(self, role: str | None = None) -> Sequence[EntryHeader]:
        """The scalar fields of every entry of a role, or of all, sorted by id, as in `entries`."""
        return list(self._each(role, read_header))

    def _each(self, role: str | None, read: Callable[[Path], Read]) -> Iterator[Read]:
        for path in self.paths(role):
            try:
                yield read(path)
            except BadCorpus as error:
                logger.warning("passed over: %s", error)

    def sizes(self, ids: Collection[str]) -> dict[str, int]:
        """Bytes of the files of those of these entries that are there, by id."""
        found = ((name, directory / f"{name}.json") for name in ids for directory in self._role_directories())
        return {name: path.stat().st_size for name, path in found if path.is_file()}

    def roles(self) -> Sequence[str]:
        """The roles that have entries, sorted."""
        return sorted({path.parent.name for path in self.paths(None)})

    def made_of(self, ids: Collection[str]) -> set[str]:
        """Ids of the pairs that were made of one of these entries.

        Raises:
            BadCorpus: an entry cannot be read.
        """
        return {
            entry.id
            for entry in self.entries()
            if entry.origin is not None and not set(ids).isdisjoint(entry.origin.entries)
        }

    def delete(self, entry_id: str) -> None:
        """Remove an entry.

        Raises:
            NotFound: there is none.
        """
        self._find(entry_id).unlink()

    def sweep(self, *, older_than: float = 3600.0) -> int:
        """Remove temporary files of writers that were killed; how many.

        Args:
            older_than: Seconds; a younger one may belong to a writer at work.
        """
        limit = time.time() - older_than
        stale = [path for path in self.root.glob("*/.*.part") if path.stat().st_mtime < limit]
        for path in stale:
            path.unlink(missing_ok=True)
        return len(stale)

    def retract(
        self, entries: Sequence[CorpusEntry], *, reason: str = "", delete: bool = False
    ) -> Mapping[str, Sequence[str]]:
        """Never train on these again, nor on what else holds what they say; the ids of that, by entry.

        Args:
            entries: Of this store.
            reason: Kept in the list.
            delete: Their files go too, and nothing that holds what they say is stored again.

        Raises:
            BadCorpus: the retract list cannot be read.
        """
        turns, held = telling_marks(entries, self.entries())
        self.retracted().add(entries, reason=reason, deleted=delete, turns=turns)
        for entry in entries if delete else ():
            self.delete(entry.id)
        return held

    def retracted(self) -> RetractList:
        """What must never be in a dataset again.

        Raises:
            BadCorpus: the list cannot be read.
        """
        return RetractList(self.root)

    def corpus_hash(self, role: str | None = None) -> str:
        """The hash of a role's entries, or of all; it knows ids and contents only."""
        return hash_of(self.headers(role))

    def _path(self, role: str, entry_id: str) -> Path:
        return self.root / role / f"{entry_id}.json"

    def _find(self, entry_id: str) -> Path:
        if not re.fullmatch(ID_PATTERN, entry_id):
            raise NotFound(f"{entry_id!r} is no id of an entry: see `node0-corpus list`")
        for directory in self._role_directories():
            path = directory / f"{entry_id}.json"
            if path.parent == directory and path.is_file():
                return path
        raise NotFound(f"no entry {entry_id!r} in {self.root}: see `node0-corpus list`")

    def _role_directories(self) -> Sequence[Path]:
        if not self.root.is_dir():
            return []
        return sorted(path for path in self.root.iterdir() if path.is_dir() and not path.name.startswith("."))

    def paths(self, role: str | None) -> Sequence[Path]:
        """The files of a role's entries, or of all, sorted by name."""
        directories = self._role_directories() if role is None else [self.root / role]
        files = (path for directory in directories if directory.is_dir() for path in directory.iterdir())
        kept = (path for path in files if path.suffix == ".json" and not path.name.startswith("."))
        # A pipe of that name would be waited for.
        return sorted((path for path in kept if path.is_file()), key=lambda path: path.name)


class Identified(Protocol):
    """What stands for an entry and its content: a header, or a line in the record of a run."""

    @property
    def id(self) -> str:
        """Of the entry."""

    @property
    def content_digest(self) -> str:
        """The sha256, in hex, of what a model could learn from it."""


def hash_of(entries: Iterable[Identified]) -> str:
    """The `corpus_hash` of these entries: the sha256, in hex, over their sorted (id, content digest)."""
    lines = sorted(f"{entry.id} {entry.content_digest}\n" for entry in entries)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _tokens(entry: CorpusEntry) -> int:
    return estimated_tokens([*entry.messages, *(entry.chosen or ()), *(entry.rejected or ())])


def _file_text(entry: CorpusEntry) -> str:
    content = entry.model_dump(mode="json")
    for later in ("origin", "answered_by"):  # without one a file stays as it was before there was any
        if content[later] is None:
            del content[later]
    head = {name: content.pop(name) for name in SCALARS if name in content}
    return _dumps(head)[:-1] + ",\n" + _dumps(content)[1:] + "\n"


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def read_entry(path: Path) -> CorpusEntry:
    """The entry in a file.

    Raises:
        BadCorpus: it cannot be read, or was changed by hand.
    """
    try:
        entry = CorpusEntry.model_validate_json(path.read_bytes())
    except (ValidationError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise BadCorpus(f"entry file {path} cannot be read ({reason}): delete it or collect again") from error
    if entry.content_digest != entry.digest():
        raise BadCorpus(
            f"entry file {path} was changed by hand: store it again with `node0-corpus add {path}`"
        )
    return entry


def read_header(path: Path) -> EntryHeader:
    """The scalar fields of the entry in a file.

    Raises:
        BadCorpus: it cannot be read.
    """
    try:
        with path.open(encoding="utf-8") as file:
            line = file.readline().rstrip().removesuffix(",")
            size = path.stat().st_size
        return EntryHeader.model_validate({**value_of(line + "}"), "bytes": size})
    except (ValueError, OSError):
        return _slow_header(path)


def _slow_header(path: Path) -> EntryHeader:
    """The header of a file that another tool laid out differently."""
    entry = read_entry(path)
    facts = {**{name: getattr(entry, name) for name in SCALARS}, "bytes": path.stat().st_size}
    return EntryHeader.model_validate({**facts, "tokens": _tokens(entry)})
