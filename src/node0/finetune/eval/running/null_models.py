# SPDX-License-Identifier: Apache-2.0
"""Null models: answers that need no understanding; a suite that one of them passes measures nothing."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from node0.finetune.chat.messages import Block, Request, text_of
from node0.finetune.eval.running.answerer import Sampling
from node0.finetune.eval.running.task import Task

NO_OP = "no-op"
RULES = 2
"Another number where a rule answers otherwise, so that what was kept of the old one is not taken."

_COMMAND = re.compile(r"`((?:bd|gt|git|python3|cat|ls) [^`]+)`")


@dataclass(frozen=True)
class NullModel:
    """Answers by a rule."""

    name: str
    rule: Callable[[Task, Request], list[Block]]

    @property
    def digest(self) -> str:
        """Its name, and the number of the rules."""
        return f"null:{self.name} {RULES}"

    def answer(self, task: Task, request: Request, sampling: Sampling) -> list[Block]:
        """What the rule says."""
        return self.rule(task, request)


def null_models() -> list[NullModel]:
    """Empty, echo, the first allowed action or named command, and no-op."""
    return [NullModel(name, rule) for name, rule in _RULES.items()]


def _empty(task: Task, request: Request) -> list[Block]:
    return []


def _echo(task: Task, request: Request) -> list[Block]:
    return [{"type": "text", "text": text_of(request["messages"][-1])}]


def _first_action(task: Task, request: Request) -> list[Block]:
    """The first action that the prompt allows; else the first command that it names, or a look around."""
    if task.actions:
        return _decision(task.actions[0])
    named = _COMMAND.search(task.prompt)
    command = named[1] if named else "ls"
    if not request["tools"]:
        return [{"type": "text", "text": f"```sh\n{command}\n```"}]
    tool = request["tools"][0]
    fields = tool["input_schema"].get("required") or list(tool["input_schema"].get("properties", {}))[:1]
    given = {str(field): command for field in fields}
    return [{"type": "tool_use", "id": "call_0", "name": tool["name"], "input": given}]


def _no_op(task: Task, request: Request) -> list[Block]:
    return _decision(NO_OP)


def _decision(action: str) -> list[Block]:
    return [{"type": "text", "text": json.dumps({"action": action, "reason": "nothing to do"})}]


_RULES: Mapping[str, Callable[[Task, Request], list[Block]]] = {
    "empty": _empty,
    "echo": _echo,
    "first-action": _first_action,
    NO_OP: _no_op,
}
