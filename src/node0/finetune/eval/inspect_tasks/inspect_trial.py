# SPDX-License-Identifier: Apache-2.0
"""Trials of items for a solver and a scorer of inspect-ai: messages both ways, and verdicts.

inspect-ai is not imported here. The task file that `inspect_files` writes imports it and calls these; none of
them waits for anything but the sandbox, so an event loop calls `Trial.answer` and `judge` in a thread.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from node0.finetune.chat.messages import Block, Request, ToolResultBlock, blocks, text_of
from node0.finetune.corpus.lone_surrogates import without_lone_surrogates
from node0.finetune.eval.sandbox.sandbox_runner import SandboxRunner, find_sandbox
from node0.finetune.eval.schema import CheckOutcome
from node0.finetune.eval.suite.item import EvalItem
from node0.finetune.eval.suite.trial import Trial, open_trial


class Call(Protocol):
    """A call of a tool, as inspect-ai's `ToolCall` has it."""

    @property
    def id(self) -> str:
        """What its result names."""

    @property
    def function(self) -> str:
        """The tool."""

    @property
    def arguments(self) -> dict[str, Any]:
        """What the tool is given."""


class Said(Protocol):
    """A model's message, as inspect-ai's `ChatMessageAssistant` has it."""

    @property
    def text(self) -> str:
        """Its words, without its reasoning."""

    @property
    def tool_calls(self) -> Sequence[Call] | None:
        """Its calls."""


def item_of(metadata: Mapping[str, Any]) -> EvalItem:
    """The item of a sample."""
    return EvalItem.model_validate(metadata["item"])


def tool_rows(item: EvalItem) -> list[dict[str, Any]]:
    """The tools that an item offers, in the form of inspect-ai's `ToolInfo`."""
    return [
        {"name": tool["name"], "description": tool["description"], "parameters": tool["input_schema"]}
        for tool in item.request()["tools"]
    ]


def said_blocks(said: Said) -> list[Block]:
    """A model's message in Messages form: its words, then its calls."""
    found: list[Block] = [{"type": "text", "text": said.text}] if said.text else []
    for call in said.tool_calls or ():
        found.append({"type": "tool_use", "id": call.id, "name": call.function, "input": call.arguments})
    return list(without_lone_surrogates(found))


def heard_messages(request: Request, said: Said) -> list[dict[str, Any]]:
    """The last turn of a request as inspect-ai's messages: one of a tool for each result, else one of a user.

    said: the message that it answers, for the names of the tools.
    """
    turn = request["messages"][-1]
    names = {call.id: call.function for call in said.tool_calls or ()}
    results = [_result(block, names) for block in blocks(turn) if block["type"] == "tool_result"]
    return results or [{"role": "user", "content": text_of(turn)}]


def open_item(item: EvalItem) -> AbstractContextManager[Trial]:
    """A trial of an item, in a sandbox where it runs something."""
    return open_trial(item, _sandbox() if item.runs else None)


def judge(item: EvalItem, answers: Iterable[Sequence[Block]]) -> list[CheckOutcome]:
    """Every check's result on these answers, carried out in a new place; those after its end are left out."""
    with open_item(item) as trial:
        for answer in answers:
            if trial.request is not None:
                trial.answer(answer)
        return trial.results()


def require_sandbox(items: Iterable[EvalItem]) -> None:
    """Nothing where all items can be judged here.

    Raises:
        SandboxUnavailable: one of them runs something, and nothing here can contain it.
    """
    if any(item.runs for item in items):
        _sandbox()


@functools.cache
def _sandbox() -> SandboxRunner:
    """One for all trials: finding one runs something."""
    return find_sandbox()


def _result(block: ToolResultBlock, names: Mapping[str, str]) -> dict[str, Any]:
    call, told = block["tool_use_id"], str(block["content"])
    row = {"role": "tool", "tool_call_id": call, "function": names[call], "content": told}
    return row | ({"error": {"type": "unknown", "message": told}} if block.get("is_error") else {})
