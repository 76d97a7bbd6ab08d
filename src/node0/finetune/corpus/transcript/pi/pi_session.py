# SPDX-License-Identifier: Apache-2.0
"""Read a session of pi, or of omp: `<agent directory>/sessions/--<cwd>--/<time>_<session uuid>.jsonl`.

The first line is {type: session, version, id, timestamp, cwd}. Every other line is an entry {type, id,
parentId, timestamp} of a tree; what the model met is the path from the last entry to its root. A compaction
{summary, firstKeptEntryId} stands for all before it but what it kept. Entries of version 1 have no ids and
are read in their order. Seen with pi 0.73.1, version 3; branches follow the documentation in its package.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from node0.finetune.corpus.transcript.pi.pi_messages import entry_turn, with_results
from node0.finetune.corpus.transcript.session_lines import ByteRange, LineLoader, json_objects
from node0.finetune.corpus.transcript.trajectory import Trajectory
from node0.finetune.corpus.transcript.turns import REPEATED, REWOUND, NewContext, Step, Turn, trajectories_of

FIRST_LINES = 3
MOST_KEPT = 1000
"Entries that a compaction keeps; pi keeps the last 20,000 tokens of them."


class PiHead(NamedTuple):
    """What a session says of itself."""

    session_id: str
    at: str
    "ISO 8601, UTC."

    cwd: str


class Entry(NamedTuple):
    """One entry, without its content."""

    id: str
    parent: str | None
    kind: str
    place: ByteRange


def pi_head(path: Path) -> PiHead | None:
    """What the first lines tell; None where this is no session of pi.

    Raises:
        OSError: it cannot be read.
    """
    for _, line in islice(json_objects(path, Counter()), FIRST_LINES):
        if line.get("type") == "session" and isinstance(line.get("id"), str) and "cwd" in line:
            return PiHead(line["id"], str(line.get("timestamp", "")), str(line["cwd"]))
    return None


class PiSession:
    """One session file; a `TranscriptReader`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        head = pi_head(path)
        self.session_id = head.session_id if head else ""
        self.skipped = Counter[str]()

    def trajectories(self) -> Iterator[Trajectory]:
        """A trajectory for each context between two compactions."""
        entries = _entries(self._path, self.skipped)
        path = _active_path(entries)
        self.skipped[REWOUND] += sum(entry.kind == "message" for entry in entries) - sum(
            entry.kind == "message" for entry in path
        )
        with LineLoader(self._path) as loader:
            steps = _steps(path, loader)
            yield from trajectories_of(steps, lasting_names=True, skipped=self.skipped)
        self.skipped = +self.skipped


def _entries(path: Path, skipped: Counter[str]) -> list[Entry]:
    found: list[Entry] = []
    for place, line in json_objects(path, skipped):
        if line.get("type") == "session":
            continue
        parent, name = line.get("parentId"), line.get("id")
        before = found[-1].id if found else None
        if not isinstance(name, str):  # as in version 1
            name, parent = f"line-{place.offset}", before
        known = parent if isinstance(parent, str) else None
        found.append(Entry(name, known, str(line.get("type", "")), place))
    return found


def _active_path(entries: Sequence[Entry]) -> list[Entry]:
    """From the root to the last entry; a parent that is not in the file is the entry before."""
    before = {entry.id: entries[number - 1].id if number else None for number, entry in enumerate(entries)}
    by_id = {entry.id: entry for entry in entries}
    path: dict[str, Entry] = {}
    at = entries[-1] if entries else None
    while at is not None and at.id not in path:
        path[at.id] = at
        parent = at.parent if at.parent is None or at.parent in by_id else before[at.id]
        at = by_id.get(parent) if parent is not None else None
    return list(reversed(path.values()))


def _steps(path: Sequence[Entry], loader: LineLoader) -> Iterator[Step]:
    """The turns of each context, what a compaction kept repeated behind its summary."""
    waiting: list[Turn] = []
    for number, entry in enumerate(path):
        line = loader.line(entry.place)
        if entry.kind == "compaction":
            kept = _kept(path[: number + 1], line.get("firstKeptEntryId"))
            yield from with_results(waiting)
            whole = len(kept) <= MOST_KEPT and not any(_is_gap(path, place) for place in kept[1:])
            yield NewContext(whole=whole)
            kept = kept[-MOST_KEPT:]
            old = (path[place] for place in kept[:-1] if path[place].kind != "compaction")
            repeated = (entry_turn(loader.line(one.place), REPEATED) for one in old)
            waiting = [turn for turn in (entry_turn(line), *repeated) if turn]
            continue
        if _is_gap(path, number):
            yield from with_results(waiting)
            yield NewContext(whole=False)
            waiting = []
        if turn := entry_turn(line):
            waiting.append(turn)
    yield from with_results(waiting)


def _is_gap(path: Sequence[Entry], number: int) -> bool:
    """Whether what was before an entry is not in the file."""
    return number > 0 and path[number].parent != path[number - 1].id


def _kept(path: Sequence[Entry], first: Any) -> range:
    """Where the entries are that a compaction kept, itself behind them; all where the first is lost."""
    if not isinstance(first, str):
        return range(len(path) - 1, len(path))
    start = next((number for number, entry in enumerate(path) if entry.id == first), 0)
    return range(start, len(path))
