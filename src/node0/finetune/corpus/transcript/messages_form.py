# SPDX-License-Identifier: Apache-2.0
"""Convert wire messages to Messages form: what a model could learn from, in words that a file can hold."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from node0.finetune.corpus.lone_surrogates import replace_lone_surrogates
from node0.finetune.corpus.transcript.trajectory import RequestShape
from node0.finetune.corpus.transcript.wire_messages import WireMessage, as_blocks

PLACEHOLDERS: Mapping[Any, str] = {"image": "[image]", "document": "[document]"}
"What stands for content that is no text."

BILLING = "x-anthropic-billing-header"
_BILLING_LINE = re.compile(rf"^{BILLING}[^\n]*\n*", re.MULTILINE)


@dataclass(frozen=True)
class Rebased:
    """Messages in Messages form, and where each recorded position went."""

    messages: list[dict[str, Any]]
    index: list[int]
    "For each wire position (and one past the end) its position here."


def messages_form(wire: Sequence[WireMessage]) -> Rebased:
    """Wire messages as the rest of this project knows them; a message left empty is dropped."""
    messages: list[dict[str, Any]] = []
    index = []
    for message in wire:
        index.append(len(messages))
        blocks = [kept for block in as_blocks(message["content"]) if (kept := _block(block))]
        if blocks:
            messages.append({"role": message["role"], "content": blocks})
    return Rebased(messages, [*index, len(messages)])


def system_text(shape: RequestShape) -> str:
    """The system prompt as one text, without the harness's billing line, wherever in it that stands.

    May hold lone surrogates.
    """
    parts = ((part, _BILLING_LINE.sub("", part)) for part in shape.system)
    return "\n\n".join(rest for part, rest in parts if rest or not part.startswith(BILLING))


def offered_tools(shape: RequestShape, messages: Sequence[WireMessage]) -> list[dict[str, Any]]:
    """The tools whose definitions the model read: a deferred one only after a result names it."""
    deferred = {str(tool.get("name")) for tool in shape.tools if tool.get("defer_loading")}
    if deferred:
        results = (block.get("content") for message in messages for block in as_blocks(message["content"]))
        deferred -= {
            str(part.get("tool_name"))
            for content in results
            for part in (as_blocks(content) if isinstance(content, list) else ())
            if part.get("type") == "tool_reference"
        }
    keys = ("name", "description", "input_schema")
    offered = (tool for tool in shape.tools if str(tool.get("name")) not in deferred)
    return [plain({key: tool.get(key) for key in keys}) for tool in offered]


def plain(value: Any) -> Any:
    """The value with lone surrogates replaced and without cache marks."""
    if isinstance(value, str):
        return replace_lone_surrogates(value)
    if isinstance(value, dict):
        return {plain(str(key)): plain(item) for key, item in value.items() if key != "cache_control"}
    return [plain(item) for item in value] if isinstance(value, list) else value


def _block(block: Mapping[str, Any]) -> dict[str, Any] | None:
    match block.get("type"):
        case "text":
            return _text(block.get("text"))
        case "tool_use":
            given = block.get("input")
            call = {"input": plain(given) if isinstance(given, dict) else {}}
            return {
                "type": "tool_use",
                "id": _word(block.get("id")),
                "name": _word(block.get("name")),
                **call,
            }
        case "tool_result":
            return _result(block)
        case "tool_reference":
            return _text(block.get("tool_name"))
        case kind:
            return _text(PLACEHOLDERS.get(kind))


def _result(block: Mapping[str, Any]) -> dict[str, Any]:
    content = block.get("content") or ""
    parts = () if isinstance(content, str) else as_blocks(content)
    kept = plain(content) if isinstance(content, str) else [part for item in parts if (part := _block(item))]
    result = {"type": "tool_result", "tool_use_id": _word(block.get("tool_use_id")), "content": kept}
    return {**result, "is_error": True} if block.get("is_error") is True else result


def _word(value: Any) -> str:
    return replace_lone_surrogates(str(value))


def _text(text: Any) -> dict[str, Any] | None:
    return {"type": "text", "text": plain(text)} if isinstance(text, str) and text else None
