# SPDX-License-Identifier: Apache-2.0
"""A small town whose sessions are written by a test and collected."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from node0.finetune.corpus.collector import CorpusCollector
from node0.finetune.corpus.scrubber import CorpusScrubber
from node0.finetune.corpus.store import CorpusStore
from node0.town import Town

Make = Callable[..., Any]
SCRUBBER = CorpusScrubber()
SECRET = "ghp_0123456789abcdefABCDEF0123456789wxyz"


class Place:
    """A small town with one session a name."""

    def __init__(self, root: Path, harness: Make, blocks: dict[str, Make]) -> None:
        self.town, self.store = Town(root), CorpusStore(root / ".corpus")
        self._harness, self._blocks = harness, blocks
        self._events: list[dict[str, Any]] = []
        self.sessions: dict[str, Any] = {}

    def begin(self, name: str, actor: str, **payload: str) -> Any:
        session = self.sessions[name] = self._harness(session=name)
        session.prompt("Start now. " + "Look at every agent of the town and say what you see. " * 8)
        session.answer(self._blocks["call"]("t1", "gt agents"))
        session.user(self._blocks["result"]("t1", f"token {SECRET}, /home/jane"))
        session.answer(self._blocks["text"]("All well."))
        self.event("session_start", actor, session_id=name, role=actor, **payload)
        return self.write(name)

    def event(self, kind: str, actor: str, at: str = "2026-01-05T06:00:00Z", **payload: str) -> None:
        self._events.append({"ts": at, "type": kind, "actor": actor, "payload": payload})
        lines = "".join(json.dumps(event) + "\n" for event in self._events)
        self.town.events_file.write_text(lines)

    def write(self, name: str) -> Any:
        self.sessions[name].write(self.path(name))
        return self.sessions[name]

    def path(self, name: str) -> Path:
        return self.town.root / ".claude" / "projects" / "-srv-gt" / f"{name}.jsonl"

    def collect(self, **options: Any) -> Any:
        return CorpusCollector(self.store, SCRUBBER).collect_town(self.town, **options)
