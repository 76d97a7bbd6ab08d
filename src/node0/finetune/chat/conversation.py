# SPDX-License-Identifier: Apache-2.0
"""Convert Messages form to the turns that Hugging Face chat templates take.

A tool result becomes a turn of its own (role `tool`), a call a `tool_calls` item, as in
https://huggingface.co/docs/transformers/chat_extras. What a template refuses is folded into what it
takes. Everything here looks only backwards from an answer, so a prompt stays a prefix of its
continuation.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from node0.finetune.chat.harness import result_text
from node0.finetune.chat.messages import Message, Tool, ToolUseBlock, blocks
from node0.finetune.chat.special_tokens import Escape
from node0.finetune.chat.traits import Traits

FILLER = "Continue."
"Stands where a template wants a user turn and the conversation has none."

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

Turn = dict[str, Any]
"One turn in Hugging Face form: role, content, for an assistant also tool_calls."


@dataclass(frozen=True, slots=True)
class Conversation:
    """A request, or one with its answers, ready for the template."""

    turns: list[Turn]
    answers: dict[int, int]
    "Index of an assistant message -> index of its turn."

    tools: list[dict[str, Any]] | None


def to_conversation(
    system: str,
    tools: Sequence[Tool],
    messages: Sequence[Message | None],
    traits: Traits,
    *,
    escape: Escape,
    prompt: bool,
) -> Conversation:
    """Turns that the template takes: a `prompt`'s up to its next answer, else up to the last answer.

    `escape` rewrites words that would read as special tokens. Messages that are None keep their
    place in the numbering and render as nothing.
    """
    builder = _Builder(traits, escape)
    builder.start(system, tools)
    for number, message in enumerate(messages):
        if message is None:
            continue
        if message["role"] == "assistant":
            builder.answer(number, message)
        else:
            builder.context(message)
    if prompt:
        builder.lay_down()
    functions = [_function(tool, escape) for tool in tools] if traits.tools and tools else None
    return Conversation(builder.turns, builder.answers, functions)


class _Builder:
    """Collects the turns between two answers, folds them, and lays them down."""

    def __init__(self, traits: Traits, escape: Escape) -> None:
        self.traits = traits
        self.escape = escape
        self.turns: list[Turn] = []
        self.answers: dict[int, int] = {}
        self.group: list[Turn] = []
        self.called: dict[str, str] = {}
        "Tool names by call id."

    def start(self, system: str, tools: Sequence[Tool]) -> None:
        """The system prompt; with the tool list in words where the template has no place for it."""
        text = self.escape(system)
        if tools and not self.traits.tools:
            text = "\n\n".join(filter(None, [text, _tools_in_words(tools, self.escape)]))
        if not text:
            return
        if self.traits.system:
            self.turns.append({"role": "system", "content": text})
        else:
            self.group.append({"role": "user", "content": text})

    def context(self, message: Message) -> None:
        """A user or system message."""
        for block in blocks(message):
            if block["type"] == "tool_result":
                self._result(block["tool_use_id"], self.escape(result_text(block)))
            elif block["type"] == "text" and block["text"].strip():
                self.group.append({"role": message["role"], "content": self.escape(block["text"])})

    def answer(self, number: int, message: Message) -> None:
        """An assistant message; one without words and calls is left out."""
        parts = blocks(message)
        text = self.escape("\n\n".join(part["text"] for part in parts if part["type"] == "text").strip())
        calls = [_call(part, self.escape) for part in parts if part["type"] == "tool_use"]
        if not text and not calls:
            return
        self.lay_down()
        turn: Turn = {"role": "assistant", "content": text}
        self.called |= {part["id"]: part["name"] for part in parts if part["type"] == "tool_use"}
        if calls and self.traits.tools and (self.traits.parallel_calls or len(calls) == 1):
            turn["tool_calls"] = calls
        elif calls:
            turn["content"] = text + "".join(map(_call_in_words, calls))
        self.answers[number] = len(self.turns)
        self.turns.append(turn)

    def lay_down(self) -> None:
        """Fold what stands before an answer and lay it down; a filler where the template wants words."""
        group = self._folded(self.group)
        self.group = []
        if not any(turn["role"] != "system" for turn in group) and self._wants_words(group):
            group.append({"role": "user", "content": FILLER})
        self.turns += group

    def _wants_words(self, group: list[Turn]) -> bool:
        spoken = any(turn["role"] != "system" for turn in self.turns)
        if not spoken:
            return not self.traits.assistant_first or not (self.turns or group)
        return not self.traits.assistant_runs and not group

    def _result(self, call_id: str, text: str) -> None:
        has_call = any(turn["role"] == "assistant" for turn in self.turns)
        if self.traits.tools and has_call:
            turn: Turn = {"role": "tool", "content": text, "tool_call_id": short_id(call_id)}
            self.group.append({**turn, "name": self.called.get(call_id, "")})
        else:
            self.group.append({"role": "user", "content": f"<tool_response>\n{text}\n</tool_response>"})

    def _folded(self, group: list[Turn]) -> list[Turn]:
        if not self.traits.middle_system:
            group = [{**turn, "role": "user"} if turn["role"] == "system" else turn for turn in group]
            # A result must follow its call at once.
            group = sorted(group, key=lambda turn: turn["role"] != "tool")
        folded: list[Turn] = []
        for turn in group:
            if folded and self._joins(folded[-1]["role"], turn["role"]):
                last = folded[-1]
                folded[-1] = {**last, "content": f"{last['content']}\n\n{turn['content']}"}
            else:
                folded.append(turn)
        return folded

    def _joins(self, before: str, after: str) -> bool:
        if before == after == "user":
            return not self.traits.user_runs
        return before == "tool" and after == "user" and not self.traits.user_after_tool


def short_id(call_id: str) -> str:
    """Nine letters and digits for a call's id, the only form that every template takes."""
    number = int.from_bytes(hashlib.sha256(call_id.encode()).digest()[:8], "big")
    letters = []
    for _ in range(9):
        number, rest = divmod(number, 62)
        letters.append(_BASE62[rest])
    return "".join(letters)


def _call(block: ToolUseBlock, escape: Escape) -> dict[str, Any]:
    function = {"name": block["name"], "arguments": _escaped_leaves(block["input"], escape)}
    return {"id": short_id(block["id"]), "type": "function", "function": function}


def _call_in_words(call: dict[str, Any]) -> str:
    return f"<tool_call>{_compact(call['function'])}</tool_call>"


def _function(tool: Tool, escape: Escape) -> dict[str, Any]:
    function = {
        "name": tool["name"],
        "description": escape(tool.get("description", "")),
        "parameters": _escaped_leaves(tool["input_schema"], escape),
    }
    return {"type": "function", "function": function}


def _tools_in_words(tools: Sequence[Tool], escape: Escape) -> str:
    lines = [_compact(_function(tool, escape)["function"]) for tool in tools]
    call = '<tool_call>{"name":...,"arguments":{...}}</tool_call>'
    return "\n".join([f"Tools, called as {call}:", *lines])


def _escaped_leaves(value: Any, escape: Escape) -> Any:
    if isinstance(value, str):
        return escape(value)
    if isinstance(value, dict):
        return {key: _escaped_leaves(item, escape) for key, item in value.items()}
    if isinstance(value, list):
        return [_escaped_leaves(item, escape) for item in value]
    return value


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
