# SPDX-License-Identifier: Apache-2.0
"""Which versions learned from which corpus entries, as the files of each version say."""

from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.run_dir import RunDirectory


class Seen(NamedTuple):
    """One corpus entry in the training of one version."""

    model: str
    "`NAME:VER`."

    entry_id: str
    content_digest: str
    split: str
    "train, or val for one that was held out."

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


def counts(entry: ModelRegistryEntry) -> Counter[str]:
    """How many corpus entries a version trained on, and how many were held out, by split."""
    return Counter(one.split for one in seen_entries(entry))
