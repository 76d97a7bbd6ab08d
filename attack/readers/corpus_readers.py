# SPDX-License-Identifier: Apache-2.0
"""Readers of what a town's agents and people wrote: sessions, entries, events, beads, examples, lists."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from attack.fuzz import Reader
from attack.mutations import as_json, as_lines, mutated_tree
from attack.readers.kept_entries import require_whole
from node0.finetune.corpus.collect.collector_state import CollectorState
from node0.finetune.corpus.collector import CorpusCollector
from node0.finetune.corpus.exchange.curated import read_curated
from node0.finetune.corpus.exchange.interchange import entry_fields, export_lines
from node0.finetune.corpus.quality.audit import audit
from node0.finetune.corpus.retract_list import FILE, RetractList
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.scrubber import CorpusScrubber
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.corpus.town.bead_tables import read_backup
from node0.finetune.corpus.town.events import read_events
from node0.finetune.corpus.town.sessions import Session, sessions_of
from town.generator.build import TownPlan, build_town

ENTRY: dict[str, Any] = {
    "id": "one", "role": "deacon", "rig": "brass", "task_type": "patrol", "outcome": "success",
    "created_at": "2026-01-05T06:00:00Z", "bead_id": "gt-1", "source": "claude-code", "session_id": "s",
    "messages": [
        {"role": "user", "content": "Look at the pier."},
        {"role": "assistant", "content": [
            {"type": "text", "text": "So."},
            {"type": "tool_use", "id": "t", "name": "Bash", "input": {"command": "ls"}},
        ]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "pier"}]},
        {"role": "assistant", "content": "It is there."},
    ],
    "systems": {"d": "You patrol."},
    "toolsets": {"e": [{"name": "Bash", "description": "", "input_schema": {}}]},
    "requests": [{"n_messages": 1, "system": "d", "tools": "e"},
                 {"n_messages": 3, "system": "d", "tools": "e"}],
}  # fmt: skip
_BEAD = {
    "id": "gt-1", "title": "Mend the pier", "status": "closed", "issue_type": "task", "priority": 2,
    "assignee": "a",     "created_at": "2026-01-05T06:00:00Z", "closed_at": "2026-01-05T07:00:00Z",
    "close_reason": "done", "metadata": "{}",
}  # fmt: skip


def transcripts(place: Path) -> Reader:
    """A session file is collected beside a good one, whose entries stay."""
    sessions = _sessions(place)
    kept, store = sessions[0], CorpusStore(place / "corpus")
    collector = CorpusCollector(store, CorpusScrubber(voters=()))
    collector.collect_transcript(kept, "deacon")
    good = {entry.id for entry in store.list()}
    file = place / "attacked.jsonl"

    def read(data: bytes) -> None:
        file.write_bytes(data)
        collector.collect_transcript(file, "deacon")
        require_whole(store, good)

    return Reader(mutated_tree([_rows(path) for path in sessions], as_lines), read)


def entries(place: Path) -> Reader:
    """A file among the corpus's is read by whoever reads all of it, and another entry stays."""
    store = CorpusStore(place / "corpus")
    store.add(CorpusEntry.model_validate(ENTRY | {"id": "good"}))
    store.add(CorpusEntry.model_validate(ENTRY))
    file = place / "corpus" / "deacon" / "one.json"
    seeds, scrubber = [json.loads(file.read_text())], CorpusScrubber(voters=())

    def read(data: bytes) -> None:
        file.write_bytes(data)
        list(store.headers())
        audit(store, scrubber)
        for form in ("chatml", "sharegpt", "anthropic", "openai", "messages"):
            list(export_lines(store.entries(), form, Counter()))  # type: ignore[arg-type]  # some are none
        require_whole(store, {"good"})

    return Reader(mutated_tree(seeds, as_json), read)


def examples(place: Path) -> Reader:
    """Lines of somebody's data set, as they are imported and added."""
    file = place / "examples.jsonl"
    pair = {"prompt": [{"role": "user", "content": "a"}], "chosen": [{"role": "assistant", "content": "b"}],
            "rejected": [{"role": "assistant", "content": "c"}]}  # fmt: skip
    talk = {
        "messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
        "tools": [],
    }
    said = {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}], "system": "c"}

    def read(data: bytes) -> None:
        file.write_bytes(data)
        list(read_curated(file, role="deacon", convert=entry_fields))

    return Reader(mutated_tree([[pair], [talk, said]], as_lines), read)


def added(place: Path) -> Reader:
    """An example in our own form."""
    file = place / "examples.json"

    def read(data: bytes) -> None:
        file.write_bytes(data)
        list(read_curated(file, role="deacon"))

    return Reader(mutated_tree([ENTRY, [ENTRY]], as_json), read)


def events(place: Path) -> Reader:
    """The event log of a town, and the sessions that it tells of."""
    _sessions(place)
    rows = _rows(next(place.rglob(".events.jsonl")))[:12]
    file = place / "events.jsonl"

    def read(data: bytes) -> None:
        file.write_bytes(data)
        list(sessions_of(read_events(file, Counter())))

    return Reader(mutated_tree([rows], as_lines), read)


def collector_state(place: Path) -> Reader:
    """What a collector remembers of what it saw."""
    file = place / ".collector.json"
    event = {
        "ts": "2026-01-05T06:00:00Z",
        "type": "session_start",
        "actor": "deacon",
        "payload": {"session_id": "s"},
    }
    session = Session("s", "deacon", "brass", "2026-01-05T06:00:00Z", ())
    known = {
        "version": 2,
        "events": [event],
        "sessions": {"s": {"mark": "m", "bytes": 7, "entries": {"one": 7}}},
    }

    def read(data: bytes) -> None:
        file.write_bytes(data)
        state = CollectorState(file, str)
        state.events([])
        state.shrank(session, 7)
        if state.seen(session, "m"):
            state.entries(session)
        state.save()

    return Reader(mutated_tree([known], as_json), read)


def beads(place: Path) -> Reader:
    """Tables of beads that bd or a hand exported."""
    directory = place / "backup"
    directory.mkdir()

    def read(data: bytes) -> None:
        (directory / "issues.jsonl").write_bytes(data)
        (directory / "events.jsonl").write_bytes(data)
        read_backup(directory)

    return Reader(mutated_tree([[_BEAD, {**_BEAD, "id": "gt-2"}]], as_lines), read)


def retractions(place: Path) -> Reader:
    """The list of what must never be trained on again."""
    known = {
        "content_digest": "d",
        "role": "deacon",
        "at": "2026-01-05T06:00:00Z",
        "reason": "",
        "deleted": True,
    }

    def read(data: bytes) -> None:
        (place / FILE).write_bytes(data)
        RetractList(place).refuses(CorpusEntry.model_validate(ENTRY))

    return Reader(mutated_tree([{"version": 1, "entries": {"one": known}}], as_json), read)


def _sessions(place: Path) -> list[Path]:
    plan = TownPlan(sessions={"deacon": 2, "witness": 1, "polecat": 1}, secrets=2, people=1, rolls=1)
    build_town(place / "town", place / "planted.json", plan)
    return sorted((place / "town").rglob(".claude/**/*.jsonl"))


def _rows(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]
