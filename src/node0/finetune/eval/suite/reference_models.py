# SPDX-License-Identifier: Apache-2.0
"""Models that know nothing, and one that knows everything: what a sound suite fails, and what it passes."""

import re
from collections.abc import Callable, Mapping, Sequence

from node0.finetune.chat.messages import Block, Request, text_of
from node0.finetune.eval.suite.item import EvalItem

NullModel = Callable[[EvalItem, Request], list[Block]]
_COMMAND = re.compile(r"`((?:bd|gt|git|python3|cat|ls) [^`]+)`")


def empty(item: EvalItem, request: Request) -> list[Block]:
    """Says nothing."""
    return []


def echo(item: EvalItem, request: Request) -> list[Block]:
    """Says what it was last told."""
    return _text(text_of(request["messages"][-1]))


def first_action(item: EvalItem, request: Request) -> list[Block]:
    """Takes the first action that is allowed, or the first command that the prompt names, or looks around."""
    if item.actions:
        return _text(f'{{"action": "{item.actions[0]}", "reason": "it is allowed"}}')
    named = _COMMAND.findall(text_of(request["messages"][0]))
    if item.tools:
        return [_bash(named[0] if named else "ls")]
    return _text(f"```sh\n{named[0] if named else 'ls'}\n```")


def no_op(item: EvalItem, request: Request) -> list[Block]:
    """Decides that there is nothing to do."""
    return _text('{"action": "no-op", "reason": "nothing to do"}')


NULL_MODELS: Mapping[str, NullModel] = {
    "empty": empty,
    "echo": echo,
    "first allowed action": first_action,
    "no-op": no_op,
}
"Models that must fail in every category."


def oracle(item: EvalItem, request: Request) -> list[Block]:
    """Answers with the item's reference, turn by turn."""
    turn = sum(message["role"] == "assistant" for message in request["messages"])
    answers: Sequence[list[Block]] = item.reference_answers()
    return list(answers[turn]) if turn < len(answers) else _text("Done.")


def _text(words: str) -> list[Block]:
    return [{"type": "text", "text": words}]


def _bash(command: str) -> Block:
    return {"type": "tool_use", "id": "call_0", "name": "Bash", "input": {"command": command}}
