# SPDX-License-Identifier: Apache-2.0
"""Recorded sessions for tests of the replay, and a model that answers them by a rule."""

from collections.abc import Callable
from typing import Any

from node0.finetune.chat.messages import Block, Request, blocks
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.eval.running.answerer import Sampling
from node0.finetune.eval.running.task import Task


def call(command: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": "1", "name": "Bash", "input": {"command": command}}


def session(name: str, role: str = "deacon", task_type: str = "patrol") -> CorpusEntry:
    """Two calls: the second one holds an id that the first one's result showed."""
    result = {"type": "tool_result", "tool_use_id": "1", "content": f"open: {name}-77"}
    return CorpusEntry.model_validate(
        {
            "id": name,
            "role": role,
            "rig": "hq",
            "task_type": task_type,
            "outcome": "success",
            "created_at": "2026-01-05T00:00:00Z",
            "messages": [
                {"role": "user", "content": "look after the beads"},
                {"role": "assistant", "content": [call("bd list --status=open")]},
                {"role": "user", "content": [result]},
                {"role": "assistant", "content": [call(f"bd close {name}-77")]},
                {"role": "user", "content": "thanks"},
                {"role": "assistant", "content": "nothing else"},
            ],
        }
    )


def perfect(last: str) -> str:
    return f"bd close {last.removeprefix('open: ')}" if last.startswith("open") else "bd list --status=open"


class Ruled:
    """Answers each request as a function of its last message."""

    name, digest = "ruled:1", "r1"

    def __init__(self, rule: Callable[[str], str] = perfect) -> None:
        self._rule = rule
        self.asked: list[Request] = []

    def answer(self, task: Task, request: Request, sampling: Sampling) -> list[Block]:
        self.asked.append(request)
        last = blocks(request["messages"][-1])[0]
        return [call(self._rule(str(last.get("content") or last.get("text"))))]  # type: ignore[list-item]  # as JSON has it
