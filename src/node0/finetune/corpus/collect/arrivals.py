# SPDX-License-Identifier: Apache-2.0
"""Watch a corpus for entries that arrive."""

import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from node0.errors import BadCorpus
from node0.finetune.corpus.store import Added, CorpusStore, EntryHeader, read_header

logger = logging.getLogger(__name__)

Mark = tuple[int, int, int]
"Inode, time of change and size: a file that is replaced has another one."


class Arrival(NamedTuple):
    """An entry that was stored, or stored again."""

    did: Added
    header: EntryHeader


def arrivals(store: CorpusStore, role: str | None = None, *, wait: Callable[[], None]) -> Iterator[Arrival]:
    """Every entry that is stored from now on, of a role or of all, as it comes; there is no end.

    Args:
        wait: Called before each look.
    """
    seen = _marks(store, role)
    while True:
        wait()
        now = _marks(store, role)
        changed = [path for path, mark in now.items() if seen.get(path) != mark]
        for path in sorted(changed, key=lambda path: now[path][1]):
            header = _header(path)
            if header:
                yield Arrival(Added.UPDATED if path in seen else Added.NEW, header)
        seen = now


def _marks(store: CorpusStore, role: str | None) -> Mapping[Path, Mark]:
    marks = {}
    for path in store.paths(role):
        try:
            status = path.stat()
        except FileNotFoundError:  # deleted meanwhile
            continue
        marks[path] = (status.st_ino, status.st_mtime_ns, status.st_size)
    return marks


def _header(path: Path) -> EntryHeader | None:
    try:
        return read_header(path)
    except BadCorpus as error:
        if path.exists():
            logger.warning("%s", error)
        return None
