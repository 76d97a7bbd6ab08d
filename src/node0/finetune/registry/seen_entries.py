# SPDX-License-Identifier: Apache-2.0
"""Which versions learned from which corpus entries, as the files of each version say."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.run_dir import RunDirectory

INHERITED = "inherited"


class Seen(NamedTuple):
    """One corpus entry in the training of one version."""

    model: str
    "`NAME:VER`."

    entry_id: str
    content_digest: str
    split: str
    "train, val for one that was held out, or inherited: what it was trained from was trained on it."

    times_seen: int


def seen_entries(
    entry: ModelRegistryEntry, ids: Collection[str] | None = None, *, digests: Collection[str] = ()
) -> Iterator[Seen]:
    """The corpus entries of a version, all or those with these ids or contents; none where it lists none."""
    run = RunDirectory(Path(entry.artifact_path))
    if not run.entries_file.is_file():
        return
    for row in run.entries(Counter()):
        found, digest, times = str(row.get("id")), str(row.get("content_digest")), row.get("times_seen")
        if ids is None or found in ids or digest in digests:
            seen = times if isinstance(times, int) else 0
            yield Seen(entry.spelled, found, digest, str(row.get("split")), seen)


def sightings(
    entries: Iterable[ModelRegistryEntry], ids: Collection[str], *, digests: Collection[str] = ()
) -> list[Seen]:
    """Which of these versions saw entries with these ids or contents, by themselves or through a parent."""
    every = {entry.spelled: entry for entry in entries}
    own = {spelled: list(seen_entries(entry, ids, digests=digests)) for spelled, entry in every.items()}
    found = []
    for spelled, entry in every.items():
        known = {row.entry_id for row in own[spelled] if row.split == "train"}
        found += own[spelled]
        for parent in _ancestors(entry, every):
            for row in own.get(parent, ()):
                if row.split == "train" and row.entry_id not in known:
                    known.add(row.entry_id)
                    found.append(row._replace(model=spelled, split=INHERITED, times_seen=0))
    return found


def trained_on(
    entry: ModelRegistryEntry, others: Iterable[ModelRegistryEntry], ids: Collection[str]
) -> set[str]:
    """Which of these entries a version learned from, by itself or through a parent.

    others: versions, among which its parents are looked for.
    """
    every = {other.spelled: other for other in others}
    line = [entry, *(every[name] for name in _ancestors(entry, every) if name in every)]
    return {row.entry_id for each in line for row in seen_entries(each, ids) if row.split == "train"}


def _ancestors(entry: ModelRegistryEntry, every: Mapping[str, ModelRegistryEntry]) -> list[str]:
    found: list[str] = []
    while entry.parent and entry.parent not in (*found, entry.spelled):
        found.append(entry.parent)
        if (parent := every.get(entry.parent)) is None:
            break
        entry = parent
    return found


def counts(entry: ModelRegistryEntry) -> Counter[str]:
    """How many corpus entries a version trained on, and how many were held out, by split."""
    return Counter(one.split for one in seen_entries(entry))
