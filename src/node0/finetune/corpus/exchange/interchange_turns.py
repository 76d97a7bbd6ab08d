# SPDX-License-Identifier: Apache-2.0
"""Convert turns in Messages form to the OpenAI chat form and ShareGPT, and back."""

import json
from collections.abc import Collection, Iterable, Sequence
from enum import StrEnum
from typing import Any

from node0.documents.json_document import value_of

Turn = dict[str, Any]
Block = dict[str, Any]


class Format(StrEnum):
    """Of exported lines."""

    OPENAI = "openai"
    TRL = "trl"
    SHAREGPT = "sharegpt"


SPEAKERS = {
    "system": "system",
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "function_call": "call",
    "observation": "tool",
    "tool": "tool",
}


def to_openai(
    turns: Iterable[Turn], *, compact: bool = False, answers: Collection[int] | None = None
) -> list[Turn]:
    """Turns of the OpenAI chat form: calls in `tool_calls`, each result a turn of role `tool`.

    Args:
        compact: Arguments as a JSON string, as OpenAI wants them, not as an object.
        answers: Positions of the assistant turns that are trained on; the others get `weight` 0.
    """
    result: list[Turn] = []
    for number, turn in enumerate(turns):
        parts = _blocks(turn)
        if turn["role"] == "assistant":
            weight = {"weight": 0} if answers is not None and number not in answers else {}
            result.append({**_answer(parts, compact=compact), **weight})
            continue
        for part in parts:
            if part["type"] == "tool_result":
                told = {"tool_call_id": part["tool_use_id"], "content": _words(part.get("content"))}
                result.append({"role": "tool", **told})
        text = _text(parts)
        if text or not any(part["type"] == "tool_result" for part in parts):
            result.append({"role": turn["role"], "content": text})
    return result


def from_openai(turns: Iterable[Turn]) -> list[Turn]:
    """Turns in Messages form. Results, and the words right after them, share one user turn."""
    result: list[Turn] = []
    after_tool = False
    for turn in turns:
        role = {"developer": "system", "function": "tool"}.get(turn["role"], turn["role"])
        if role == "tool":
            told = {
                "type": "tool_result",
                "tool_use_id": str(turn.get("tool_call_id", "")),
                "content": _words(turn["content"]),
            }
            if after_tool:
                result[-1]["content"].append(told)
            else:
                result.append({"role": "user", "content": [told]})
        elif role == "assistant":
            result.append({"role": role, "content": _answer_blocks(turn)})
        elif role in ("system", "user"):
            words = _words(turn["content"])
            if role == "user" and after_tool and words:
                result[-1]["content"].append({"type": "text", "text": words})
            else:
                result.append({"role": role, "content": words})
        else:
            raise ValueError(f"a turn has the role {role!r}")
        after_tool = role == "tool"
    return result


def to_sharegpt(turns: Sequence[Turn]) -> list[Turn]:
    """Turns as `from` and `value`; several calls of one answer are a list in one value."""
    names = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}
    result: list[Turn] = []
    for turn in to_openai(turns):
        calls = [call["function"] for call in turn.get("tool_calls", ())]
        if turn["content"] or not calls:
            result.append({"from": names[turn["role"]], "value": turn["content"] or ""})
        if calls:
            value = json.dumps(calls if len(calls) > 1 else calls[0], ensure_ascii=False)
            result.append({"from": "function_call", "value": value})
    return result


def from_sharegpt(items: Iterable[Turn]) -> list[Turn]:
    """Turns in Messages form. Call ids are made up; results answer calls in their order."""
    turns: list[Turn] = []
    waiting: list[str] = []
    made = 0
    for item in items:
        role, value = SPEAKERS.get(item["from"]), item["value"]
        if role is None:
            raise ValueError(f"a turn is from {item['from']!r}")
        if role == "call":
            loaded = value_of(value)
            calls = []
            for function in loaded if isinstance(loaded, list) else [loaded]:
                made += 1
                calls.append({"id": f"call_{made}", "type": "function", "function": function})
            waiting = [call["id"] for call in calls]
            if not turns or turns[-1]["role"] != "assistant" or "tool_calls" in turns[-1]:
                turns.append({"role": "assistant", "content": ""})
            turns[-1]["tool_calls"] = calls
        elif role == "tool":
            called = waiting.pop(0) if waiting else "call_0"
            turns.append({"role": "tool", "tool_call_id": called, "content": value})
        else:
            turns.append({"role": role, "content": value})
    return from_openai(turns)


def function_of(tool: dict[str, Any]) -> dict[str, Any]:
    """A tool in Messages form as OpenAI's function."""
    function = {"name": tool["name"], "description": tool.get("description") or ""}
    return {"type": "function", "function": {**function, "parameters": tool.get("input_schema") or {}}}


def tool_of(function: dict[str, Any]) -> dict[str, Any]:
    """OpenAI's function as a tool in Messages form."""
    inner = function.get("function", function)
    words = {"name": inner["name"], "description": inner.get("description") or ""}
    return {**words, "input_schema": inner.get("parameters") or {"type": "object"}}


def _answer(parts: Sequence[Block], *, compact: bool) -> Turn:
    calls = [
        {
            "id": part["id"],
            "type": "function",
            "function": {
                "name": part["name"],
                "arguments": json.dumps(part["input"], ensure_ascii=False) if compact else part["input"],
            },
        }
        for part in parts
        if part["type"] == "tool_use"
    ]
    return {"role": "assistant", "content": _text(parts), **({"tool_calls": calls} if calls else {})}


def _answer_blocks(turn: Turn) -> str | list[Block]:
    words = _words(turn.get("content"))
    calls = [
        {
            "type": "tool_use",
            "id": str(call.get("id") or f"call_{number}"),
            "name": call["function"]["name"],
            "input": _arguments(call["function"].get("arguments")),
        }
        for number, call in enumerate(turn.get("tool_calls") or ())
    ]
    if not calls:
        return words
    return [*([{"type": "text", "text": words}] if words else []), *calls]


def _arguments(value: Any) -> dict[str, Any]:
    loaded = value_of(value or "{}") if isinstance(value, str) else value or {}
    if not isinstance(loaded, dict):
        raise ValueError("the arguments of a call are no JSON object")
    return loaded


def _blocks(turn: Turn) -> Sequence[Block]:
    content = turn["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _text(parts: Iterable[Block]) -> str:
    return "\n\n".join(part["text"] for part in parts if part["type"] == "text")


def _words(content: Any) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return "\n\n".join(str(part.get("text", "")) for part in content)
