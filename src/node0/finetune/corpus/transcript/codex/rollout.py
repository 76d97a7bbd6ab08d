# SPDX-License-Identifier: Apache-2.0
"""Read a Codex rollout: `<CODEX_HOME>/sessions/YYYY/MM/DD/rollout-<time>-<session uuid>.jsonl`.

Lines {timestamp, type, payload}, seen with Codex 0.171.0 (every other type is passed over):

    session_meta        id, timestamp, cwd, base_instructions {text}: the system prompt, of which Codex leaves
                        out sections on what is switched off when it sends it
    response_item       one item of the conversation (`rollout_items`)
    token_usage_record  the response before it has ended
    compacted           the context begins anew, with the items of replacement_history
    event_msg           turn_aborted: a person stopped the model

By their published form: session_meta with source {subagent: {thread_spawn: {parent_thread_id}}}, event_msg
with thread_rolled_back {num_turns}, and rollouts of 2025, whose lines are the items themselves behind a first
line {id, timestamp, instructions}. Tool definitions are in none.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from node0.finetune.corpus.transcript.codex.rollout_items import RolloutTurns
from node0.finetune.corpus.transcript.session_lines import json_objects
from node0.finetune.corpus.transcript.trajectory import Trajectory
from node0.finetune.corpus.transcript.turns import REPEATED, NewContext, Rewind, Step, Turn, trajectories_of

FIRST_LINES = 3
"Lines in which a rollout says what it is."


class RolloutHead(NamedTuple):
    """What a rollout says of itself."""

    session_id: str
    at: str = ""
    "ISO 8601, UTC."

    cwd: str = ""
    system: str = ""
    parent: str = ""
    "The session that began it as a subagent; empty for one that a person began."


def rollout_head(path: Path) -> RolloutHead | None:
    """What the first lines tell; None where this is no rollout.

    Raises:
        OSError: it cannot be read.
    """
    for _, line in islice(json_objects(path, Counter()), FIRST_LINES):
        if line.get("type") == "session_meta" and isinstance(line.get("payload"), dict):
            head = _head(line["payload"])
            return head if head.session_id else None
        if "instructions" in line and "type" not in line and isinstance(line.get("id"), str):
            return _head(line)
    return None


class Rollout:
    """One rollout file; a `TranscriptReader`."""

    def __init__(self, path: Path, *, agent: bool = False) -> None:
        """agent: it is a subagent's."""
        self._path = path
        self._head = rollout_head(path) or RolloutHead("")
        self.session_id = self._head.session_id
        self._agent = self.session_id if agent else ""
        self._asked: list[str] = []
        self.skipped = Counter[str]()

    def trajectories(self) -> Iterator[Trajectory]:
        """A trajectory for each context between two compactions."""
        system = [self._head.system] if self._head.system else []
        yield from trajectories_of(self._steps(), agent=self._agent, system=system, skipped=self.skipped)

    def _steps(self) -> Iterator[Step]:
        turns = RolloutTurns()
        for number, (_, line) in enumerate(json_objects(self._path, self.skipped)):
            payload = line.get("payload")
            kind, item = (str(line.get("type", "")), payload) if isinstance(payload, dict) else ("", line)
            if kind in ("response_item", ""):
                yield from self._noted(
                    turns.item(item, str(line.get("timestamp", "")), name=f"line-{number}")
                )
            elif kind == "token_usage_record":
                turns.closed()
            elif kind == "compacted":
                yield from turns.summed_up()
                yield from self._compacted(item, turns)
            elif kind == "event_msg":
                yield from self._event(item, turns)
        yield from turns.rest()

    def _compacted(self, payload: Mapping[str, Any], turns: RolloutTurns) -> Iterator[Step]:
        kept = payload.get("replacement_history")
        items = [item for item in kept if isinstance(item, dict)] if isinstance(kept, list) else []
        yield NewContext(whole=bool(items))
        self._asked.clear()
        for number, item in enumerate(items):
            yield from self._noted(turns.item(item, "", name=f"kept-{number}", why=REPEATED))
        yield from turns.rest()

    def _event(self, payload: Mapping[str, Any], turns: RolloutTurns) -> Iterator[Step]:
        if payload.get("type") == "turn_aborted":
            yield from turns.aborted()
        elif payload.get("type") == "thread_rolled_back":
            yield from turns.rest()
            count = payload.get("num_turns")
            asked = self._asked[-count:] if isinstance(count, int) and count > 0 else []
            del self._asked[len(self._asked) - len(asked) :]
            if asked:
                yield Rewind(asked[0])

    def _noted(self, turns: Iterator[Turn]) -> Iterator[Turn]:
        """The same turns; what a user said is kept by name, for a rollback counts these."""
        for turn in turns:
            words = str(turn.content[0].get("text", "")) if turn.role == "user" and turn.name else "<"
            if not words.startswith("<"):  # else Codex's own: environment, instructions
                self._asked.append(turn.name)
            yield turn


def _head(meta: Mapping[str, Any]) -> RolloutHead:
    source = meta.get("source")
    spawned = _inside(_inside(source, "subagent"), "thread_spawn")
    told = _inside(meta, "base_instructions").get("text") or meta.get("instructions")
    return RolloutHead(
        session_id=str(meta.get("id", "")),
        at=str(meta.get("timestamp", "")),
        cwd=str(meta.get("cwd", "")),
        system=told if isinstance(told, str) else "",
        parent=str(spawned.get("parent_thread_id") or ""),
    )


def _inside(value: Any, key: str) -> Mapping[str, Any]:
    inner = value.get(key) if isinstance(value, dict) else None
    return inner if isinstance(inner, dict) else {}
