# SPDX-License-Identifier: Apache-2.0
"""Parse an answer's text into blocks: the inverse of how chat templates write tool calls.

Read are `<tool_call>{"name", "arguments"}</tool_call>` (the shipped template, Hermes, Qwen),
`[TOOL_CALLS][{"name", "arguments"}]` (Mistral) and a bare `{"name", "parameters"}` (Llama 3). What
is no valid call stays text, so nothing that the model said is lost.
"""

import json
import re
import uuid
from collections.abc import Callable
from typing import Any

from node0.finetune.chat.messages import Block, TextBlock, ToolUseBlock

_OPEN, _CLOSE = "<tool_call>", "</tool_call>"
_MISTRAL = re.compile(r"\[TOOL_CALLS\]\s*(\[.*\])\s*\Z", re.DOTALL)


def _random_id() -> str:
    return f"toolu_{uuid.uuid4().hex[:24]}"


def parse_answer(text: str, *, new_id: Callable[[], str] = _random_id) -> list[Block]:
    """The blocks that an answer's text stands for, in order.

    Args:
        text: The decoded answer, without its end token.
        new_id: Gives each call its id.
    """
    if found := _MISTRAL.search(text):
        calls = _calls(found.group(1))
        if calls:
            return [*_words(text[: found.start()]), *(_block(call, new_id) for call in calls)]
    if bare := _calls(text):
        return [_block(call, new_id) for call in bare]
    return _tagged_blocks(text, new_id)


def _tagged_blocks(text: str, new_id: Callable[[], str]) -> list[Block]:
    found: list[Block] = []
    pending, at = "", 0
    while (start := text.find(_OPEN, at)) >= 0:
        body = start + len(_OPEN)
        call, after = _call_at(text, body)
        if call is None:
            pending += text[at:body]
            at = body
            continue
        found += [*_words(pending + text[at:start]), _block(call, new_id)]
        pending, at = "", after
    return [*found, *_words(pending + text[at:])]


def _call_at(text: str, start: int) -> tuple[tuple[str, dict[str, Any]] | None, int]:
    """The call whose JSON begins here, and where it ends; a missing end tag is forgiven at the text's end."""
    start += len(text[start:]) - len(text[start:].lstrip())
    try:
        value, end = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        return None, start
    rest = text[end:].lstrip()
    if rest and not rest.startswith(_CLOSE):
        return None, start
    return _call(value), len(text) - len(rest) + (len(_CLOSE) if rest else 0)


def _calls(text: str) -> list[tuple[str, dict[str, Any]]]:
    """Names and inputs of the calls that a JSON text holds; none unless all of it is calls."""
    if not text.lstrip().startswith(("{", "[")):
        return []
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return []
    calls = [_call(item) for item in (value if isinstance(value, list) else [value])]
    return [call for call in calls if call is not None] if None not in calls else []


def _call(value: Any) -> tuple[str, dict[str, Any]] | None:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return None
    given = value.get("arguments", value.get("parameters"))
    return (value["name"], given) if isinstance(given, dict) else None


def _block(call: tuple[str, dict[str, Any]], new_id: Callable[[], str]) -> ToolUseBlock:
    return {"type": "tool_use", "id": new_id(), "name": call[0], "input": call[1]}


def _words(text: str) -> list[TextBlock]:
    return [{"type": "text", "text": text.strip()}] if text.strip() else []
