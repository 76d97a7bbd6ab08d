# SPDX-License-Identifier: Apache-2.0
"""Read a session of Gemini CLI: `<home>/tmp/<project>/chats/session-<time>-<id>.jsonl`.

Lines, seen with Gemini CLI 0.61.0:

    {sessionId, projectHash, startTime, kind}  the session, again at each resume
    {id, type, ...}                            a record (`gemini_records`), in the place of one of the same id
    {$set: {messages: [record]}}               what the model has before it from here on: a resume repeats
                                               all of it, each result twice, and so it is sent
    {$rewindTo: id}                            the record of this id and all behind it are taken back

Rewinds are read as the program's source has them, and so are sessions before these lines: one object
{sessionId, projectHash, startTime, messages: [record]} in a `.json` file. The project's directory stands in
`.project_root` beside `chats`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from node0.documents.json_document import read_object
from node0.finetune.corpus.transcript.gemini.gemini_records import MAYBE_CUT, Record, turns_of
from node0.finetune.corpus.transcript.session_lines import ByteRange, LineLoader, json_objects
from node0.finetune.corpus.transcript.trajectory import Trajectory
from node0.finetune.corpus.transcript.turns import (
    REPEATED,
    REWOUND,
    NewContext,
    Step,
    trajectories_of,
)

FIRST_LINES = 3
UNREADABLE = "file that is no JSON object, or too large"
LONGEST_PATH = 4096


class GeminiHead(NamedTuple):
    """What a session says of itself."""

    session_id: str
    at: str
    "ISO 8601, UTC."

    cwd: str


def gemini_head(path: Path) -> GeminiHead | None:
    """What the first lines, or the one object, tell; None where this is no session of Gemini CLI.

    Raises:
        OSError: it cannot be read.
    """
    for line in _first_objects(path):
        if _is_head(line):
            return GeminiHead(line["sessionId"], str(line["startTime"]), _project(path))
    return None


class GeminiSession:
    """One session file; a `TranscriptReader`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        head = gemini_head(path)
        self.session_id = head.session_id if head else ""
        self.skipped = Counter[str]()

    def trajectories(self) -> Iterator[Trajectory]:
        """A trajectory for each run of the session: a resume sends what was before in another form."""
        steps = self._whole_file() if self._path.suffix == ".json" else self._lines()
        yield from trajectories_of(steps, lasting_names=True, skipped=self.skipped)

    def _whole_file(self) -> Iterator[Step]:
        try:
            messages = read_object(self._path).get("messages")
        except ValueError:
            self.skipped[UNREADABLE] += 1
            return
        records = _records(messages)
        ends = [""] * (len(records) - 1) + [MAYBE_CUT]
        yield from turns_of(zip(records, ends, strict=False))

    def _lines(self) -> Iterator[Step]:
        contexts = _contexts(self._path, self.skipped)
        with LineLoader(self._path) as loader:
            for context in contexts:
                yield NewContext()
                yield from turns_of(context.records(loader))


class _Context:
    """The records that the model had before it since they were last set, by where they stand."""

    def __init__(self, base: ByteRange | None = None, names: Iterable[str] = ()) -> None:
        """base: the line that set records; names: theirs, in order."""
        self._base = base
        self._set = dict.fromkeys(names)
        self._own: dict[str, ByteRange] = {}
        self._ends: set[str] = set()

    def put(self, name: str, place: ByteRange) -> None:
        """A record, new or in the place of an older one."""
        self._own[name] = place

    def end_run(self) -> None:
        """The program ended, or begins anew: its last record may be half of what was said."""
        if self._own:
            self._ends.add(next(reversed(self._own)))

    def rewind(self, name: str) -> int:
        """Take back a record and all behind it; how many these were."""
        before = len(self._own) + len(self._set)
        known = name in self._own
        while self._own and (name in self._own if known else name in self._set):
            self._own.popitem()
        while name in self._set and not known:
            self._set.popitem()
        return before - len(self._own) - len(self._set)

    def records(self, loader: LineLoader) -> Iterator[tuple[Record, str]]:
        """Each record, and why it is context only: it repeats what was sent before, or ends a run."""
        base = _records(loader.line(self._base)["$set"]["messages"]) if self._base else []
        for record in base:
            name = str(record.get("id", ""))
            if name in self._set:
                yield self._read(name, loader) if name in self._own else (record, REPEATED)
        for name in self._own:
            if name not in self._set:
                yield self._read(name, loader)

    def _read(self, name: str, loader: LineLoader) -> tuple[Record, str]:
        return loader.line(self._own[name]), MAYBE_CUT if name in self._ends else ""


def _contexts(path: Path, skipped: Counter[str]) -> list[_Context]:
    found = [_Context()]
    for place, line in json_objects(path, skipped):
        changes = line.get("$set")
        if isinstance(changes, dict):
            if isinstance(changes.get("messages"), list):
                names = (str(record.get("id", "")) for record in _records(changes["messages"]))
                found[-1].end_run()
                found.append(_Context(place, names))
        elif _is_head(line):
            found[-1].end_run()
        elif "$rewindTo" in line:
            skipped[REWOUND] += found[-1].rewind(str(line["$rewindTo"]))
        elif isinstance(line.get("id"), str) and "type" in line:
            found[-1].put(line["id"], place)
    found[-1].end_run()
    return found


def _is_head(line: Mapping[str, Any]) -> bool:
    return isinstance(line.get("sessionId"), str) and "startTime" in line and "projectHash" in line


def _records(messages: Any) -> list[Record]:
    return [record for record in messages if isinstance(record, dict)] if isinstance(messages, list) else []


def _first_objects(path: Path) -> Iterator[Mapping[str, Any]]:
    if path.suffix != ".json":
        yield from (line for _, line in islice(json_objects(path, Counter()), FIRST_LINES))
        return
    try:
        yield read_object(path)
    except ValueError:
        return


def _project(path: Path) -> str:
    """The directory that the session worked in, where the program noted it."""
    note = path.parent.parent / ".project_root"
    if not note.is_file():
        return ""
    with note.open(encoding="utf-8", errors="replace") as file:
        return file.read(LONGEST_PATH).strip()
