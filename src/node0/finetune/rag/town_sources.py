# SPDX-License-Identifier: Apache-2.0
"""What of a town is indexed: its beads, its documents and settings, its recent sessions, its formulas."""

import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from node0.finetune.corpus.schema import HARNESS_SOURCES, CorpusEntry
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.corpus.town.bead_outcomes import Outcomes
from node0.finetune.corpus.town.beads import Bead, Change
from node0.finetune.corpus.town.documents import distinct, documents_of, formulas_in
from node0.finetune.rag.indexer import Source
from node0.town import Town

SESSION_SOURCES = (*HARNESS_SOURCES, "tmux")
LONGEST_FILE = 1 << 20
"Bytes of a document; a longer one is no page that somebody wrote."

LONGEST_RESULT, LONGEST_CALL = 1500, 500
"Characters of what a tool answered, and of its input."

LAST_CHANGES = 12


def bead_sources(outcomes: Outcomes) -> Iterator[Source]:
    """Every bead, with how it ended and what happened to it last."""
    for name, bead in sorted(outcomes.beads.beads.items()):
        yield Source(name, bead_text(bead, outcomes.of[name].outcome))


def bead_text(bead: Bead, outcome: str) -> str:
    """A bead as a short page."""
    lines = [
        f"{bead.id}: {bead.title}",
        f"type {bead.type}, status {bead.status}, outcome {outcome}",
        f"assignee {bead.assignee}" if bead.assignee else "",
        f"labels {', '.join(sorted(bead.labels))}" if bead.labels else "",
        f"tracks {', '.join(sorted(bead.tracks))}" if bead.tracks else "",
        f"closed because: {bead.close_reason}" if bead.close_reason else "",
        bead.description.strip(),
        *(_change(one) for one in bead.changes[-LAST_CHANGES:]),
    ]
    return "\n".join(filter(None, lines))


def config_sources(town: Town) -> Iterator[Source]:
    """Instructions, directives, documents, specifications and settings, by their paths in the town."""
    documents = (one.path for one in documents_of(town) if one.task_type != "formula_definition")
    return _files(town, [*documents, *_settings(town)])


def formula_sources(town: Town) -> Iterator[Source]:
    """Every formula of the town and its rigs."""
    found = distinct(one for place in town.beads_dirs() for one in formulas_in(place / "formulas"))
    return _files(town, [one.path for one in found])


def session_sources(store: CorpusStore, newest: int) -> Iterator[Source]:
    """The newest sessions of the corpus, each with all its entries; none that waits in quarantine."""
    headers = [one for one in store.headers() if one.source in SESSION_SOURCES and not one.quarantined]
    last = {
        one.session_id or one.id: one.created_at for one in sorted(headers, key=lambda one: one.created_at)
    }
    chosen = sorted(last, key=lambda name: (last[name], name))[-newest:] if newest else []
    wanted = [one for one in headers if (one.session_id or one.id) in set(chosen)]
    wanted.sort(key=lambda one: (one.session_id or one.id, one.created_at, one.id))
    for name, group in groupby(wanted, key=lambda one: one.session_id or one.id):
        yield Source(name, "\n\n".join(entry_text(store.get(one.id)) for one in group))


def entry_text(entry: CorpusEntry) -> str:
    """What was said and done in an entry; long results are cut."""
    about = [entry.role, entry.rig, entry.task_type, entry.outcome, entry.bead_id]
    turns = [line for turn in entry.messages if turn["role"] != "system" for line in _turn(turn)]
    return "\n".join([f"session of {', '.join(filter(None, about))}, {entry.created_at}", *turns])


def _turn(turn: dict[str, Any]) -> Iterator[str]:
    content = turn["content"]
    for block in [{"type": "text", "text": content}] if isinstance(content, str) else content:
        match block.get("type"):
            case "text" if str(block["text"]).strip():
                yield f"{turn['role']}: {str(block['text']).strip()}"
            case "tool_use":
                given = json.dumps(block["input"], ensure_ascii=False, sort_keys=True)
                yield f"call {block['name']}: {given[:LONGEST_CALL]}"
            case "tool_result":
                yield f"result: {_words(block.get('content', ''))[:LONGEST_RESULT]}"


def _words(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(str(one.get("text", "")) for one in content if isinstance(one, dict))


def _change(change: Change) -> str:
    status = "" if change.status == change.kind else change.status
    told = [change.kind, status and f"to {status}", change.actor and f"by {change.actor}"]
    return f"{change.at:%Y-%m-%d %H:%M} {' '.join(filter(None, told))}"


def _settings(town: Town) -> Iterator[Path]:
    homes = [town.root, *(town.root / rig for rig in town.rigs())]
    for home in homes:
        yield from (home / "settings" / name for name in ("config.json", "agents.json", "escalation.json"))
        yield from (home / name for name in ("config.json", "CONTEXT.md"))
        yield from sorted((home / "roles").glob("*.toml"))


def _files(town: Town, paths: Iterable[Path]) -> Iterator[Source]:
    for path in dict.fromkeys(paths):
        if path.is_file() and path.stat().st_size <= LONGEST_FILE:
            text = path.read_text(encoding="utf-8", errors="replace")
            if text.strip():
                yield Source(path.relative_to(town.root).as_posix(), text)
