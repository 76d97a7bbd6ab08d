# SPDX-License-Identifier: Apache-2.0
"""Frozen lists of entries: what a run began with, or what somebody set aside for several runs.

A list is a file of JSON lines, one an entry, as `entries.jsonl` of a run: `id`, `content_digest`,
`scrub_version`, `split` (train or val) and, where there are any, `copied`: places in its messages of answers
that are learnt in another entry. It holds no text; the entries stay in the corpus.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from node0.documents.json_lines import require_json_lines, write_json_lines
from node0.errors import BadCorpus, NotFound
from node0.finetune.corpus.quality.copied_answers import Copied
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.run_dir import EntryUse, RunDirectory, copied_field

Split = Literal["train", "val"]
NAMED = 5
"Entries that an error names; it counts the others."


@dataclass(frozen=True, slots=True)
class Parted:
    """Entries to train on and to hold out, oldest first."""

    train: Sequence[CorpusEntry]
    val: Sequence[CorpusEntry]
    dropped: Mapping[str, int]
    "Reason -> entries left out of both."

    copied: Copied = field(default_factory=dict)
    "Answers that are learnt in another entry, of either side."


def read_list(place: Path) -> list[EntryUse]:
    """The entries of a list, or of a run by its directory.

    Raises:
        NotFound: there is no such file or run.
        BadCorpus: a line is no entry of a list.
    """
    file = RunDirectory(place).entries_file if place.is_dir() else place
    if not file.is_file():
        raise NotFound(f"no list of entries {file}; give a run directory, or what node0 dataset freeze wrote")
    return [_use(row, file) for row in require_json_lines(file)]


def write_list(file: Path, entries: Iterable[EntryUse]) -> None:
    """Write a list, sorted by id."""
    rows = sorted(entries, key=lambda entry: entry.id)
    write_json_lines(
        file,
        [
            {
                "id": entry.id,
                "content_digest": entry.content_digest,
                "scrub_version": entry.scrub_version,
                "split": entry.split,
                **copied_field(entry),
            }
            for entry in rows
        ],
    )


def uses_of(entries: Iterable[CorpusEntry], split: Split, copied: Copied) -> list[EntryUse]:
    """What a list says of entries.

    copied: answers of them that are learnt in another one.
    """
    places = {name: tuple(sorted(found)) for name, found in copied.items()}
    return [
        EntryUse(entry.id, entry.content_digest, entry.scrub_version, split, places.get(entry.id, ()))
        for entry in entries
    ]


def thaw(store: CorpusStore, frozen: Sequence[EntryUse], *, of: str, do: str) -> Parted:
    """The entries of a list as they were when it was made, each on its side.

    Args:
        store: the corpus.
        frozen: the list.
        of: whose list it is, for the message.
        do: how to go on without entries of it.

    Raises:
        BadCorpus: entries have changed since, are gone, were retracted or wait in quarantine; it names them.
    """
    found = {entry.id: entry for entry in _found(store, frozen)}
    broken = changes(store, frozen, found)
    if broken:
        named = [f"{name} ({what})" for name, what in list(broken.items())[:NAMED]]
        more = f" and {len(broken) - NAMED} more" if len(broken) > NAMED else ""
        raise BadCorpus(f"entries of {of} are no longer what they were: {', '.join(named)}{more}; {do}")
    order = sorted(frozen, key=lambda entry: (found[entry.id].created_at, entry.id))
    sides = {split: [found[entry.id] for entry in order if entry.split == split] for split in get_args(Split)}
    copied = {entry.id: frozenset(entry.copied) for entry in frozen if entry.copied}
    return Parted(sides["train"], sides["val"], {}, copied)


def changes(
    store: CorpusStore, frozen: Sequence[EntryUse], found: Mapping[str, CorpusEntry] | None = None
) -> dict[str, str]:
    """Id -> what became of it (`changed`, `gone`, `retracted` or `quarantined`), in the order of the list."""
    known = {entry.id: entry for entry in _found(store, frozen)} if found is None else found
    retracted = store.retracted()
    broken: dict[str, str] = {}
    for use in frozen:
        entry = known.get(use.id)
        if entry is None:
            broken[use.id] = "gone"
        elif retracted.holds(entry):
            broken[use.id] = "retracted"
        elif entry.content_digest != use.content_digest:
            broken[use.id] = "changed"
        elif entry.quarantined:
            broken[use.id] = "quarantined"
    return broken


def difference(before: Iterable[EntryUse], after: Iterable[EntryUse]) -> dict[str, str]:
    """Id -> `added`, `removed`, `changed`, `moved` (to the other side) or `copied`, sorted by id.

    `copied` is an entry of which other answers than before are learnt elsewhere.
    """
    old, new = ({entry.id: entry for entry in side} for side in (before, after))
    differs: dict[str, str] = {}
    for name in sorted(old.keys() | new.keys()):
        if name not in old:
            differs[name] = "added"
        elif name not in new:
            differs[name] = "removed"
        elif old[name].content_digest != new[name].content_digest:
            differs[name] = "changed"
        elif old[name].split != new[name].split:
            differs[name] = "moved"
        elif old[name].copied != new[name].copied:
            differs[name] = "copied"
    return differs


def _found(store: CorpusStore, frozen: Sequence[EntryUse]) -> Iterable[CorpusEntry]:
    for use in frozen:
        try:
            yield store.get(use.id)
        except NotFound:
            continue


def _use(row: Mapping[str, object], file: Path) -> EntryUse:
    texts = [row.get(name) for name in ("id", "content_digest", "scrub_version", "split")]
    copied = row.get("copied", [])
    places = [place for place in copied if isinstance(place, int)] if isinstance(copied, list) else None
    told = all(isinstance(text, str) for text in texts) and places == copied
    if not told or texts[-1] not in get_args(Split):
        raise BadCorpus(f"{file} holds a line that is no entry of a list: {dict(row)!r:.80}; freeze it again")
    name, digest, scrubbed, split = map(str, texts)
    return EntryUse(name, digest, scrubbed, "train" if split == "train" else "val", tuple(places or ()))
