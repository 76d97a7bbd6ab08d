# SPDX-License-Identifier: Apache-2.0
"""Turn the entries of a pi session into turns, as pi sends them.

Seen with pi 0.73.1: a message's role is user {content}, assistant {content [text | thinking | toolCall {id,
name, arguments}], stopReason, model (that was asked for)} or toolResult {toolCallId, content, isError};
content is a text, or parts {type: text | image}; an entry custom_message has content, an entry compaction a
summary. By their published form: the roles custom {content} and bashExecution {command, output,
excludeFromContext}, and the entry branch_summary {summary}. pi's own sentence before a summary is not kept.
An answer that failed or was stopped is not sent again.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from node0.finetune.corpus.transcript.turns import Turn
from node0.finetune.corpus.transcript.wire_messages import WireMessage, as_blocks

NO_RESULT = "No result provided"
"What pi sends as the result of a call that has none."

COMPLETE = ("stop", "toolUse", "")
"Why a model stops when it has said all it wanted; an answer that does not tell why is believed."

LEFT_OUT = ("error", "aborted")
"How an answer ends that pi leaves out of later requests."


def entry_turn(entry: Mapping[str, Any], why: str = "") -> Turn | None:
    """The turn that an entry is; None where the model meets nothing of it.

    Args:
        why: Why an answer is context only.
    """
    message = entry.get("message")
    match entry.get("type"):
        case "message" if isinstance(message, dict):
            return _message(entry, message, why)
        case "custom_message":
            return _turn(entry, "user", _parts(entry.get("content")))
        case "branch_summary" | "compaction":
            return _turn(entry, "user", [summary_block(entry)]) if entry.get("summary") else None
    return None


def with_results(turns: Sequence[Turn]) -> Iterator[Turn]:
    """The turns with results of one answer in one turn, and one for each call that has none."""
    waiting: dict[str, None] = {}
    results: list[WireMessage] = []
    for turn in turns:
        found = [block for block in turn.content if block.get("type") == "tool_result"]
        if found:
            results += found
            for block in found:
                waiting.pop(block["tool_use_id"], None)
            continue
        yield from _behind(results, waiting)
        results = []
        calls = (block["id"] for block in turn.content if block.get("type") == "tool_use")
        waiting = dict.fromkeys(calls)
        yield turn
    if results:
        yield Turn("user", results)


def summary_block(entry: Mapping[str, Any]) -> WireMessage:
    """What was before, summed up."""
    return {"type": "text", "text": f"<summary>\n{entry.get('summary', '')}\n</summary>"}


def _behind(results: Sequence[WireMessage], waiting: Mapping[str, None]) -> Iterator[Turn]:
    """What pi sends behind calls: their results, and a word for each that has none."""
    missing = [
        {"type": "tool_result", "tool_use_id": name, "content": NO_RESULT, "is_error": True}
        for name in waiting
    ]
    if results or missing:
        yield Turn("user", [*results, *missing])


def _message(entry: Mapping[str, Any], message: Mapping[str, Any], why: str) -> Turn | None:
    match message.get("role"):
        case "user" | "custom":
            return _turn(entry, "user", _parts(message.get("content")))
        case "assistant":
            return _answer(entry, message, why)
        case "toolResult":
            return _turn(entry, "user", [_result(message)])
        case "bashExecution" if not message.get("excludeFromContext"):
            ran = f"$ {message.get('command', '')}\n{message.get('output', '')}"
            return _turn(entry, "user", [{"type": "text", "text": ran}])
    return None


def _answer(entry: Mapping[str, Any], message: Mapping[str, Any], why: str) -> Turn | None:
    stop = str(message.get("stopReason") or "")
    content = [said for part in as_blocks(message.get("content")) if (said := _said(part))]
    if stop in LEFT_OUT or not content:
        return None
    cut = "" if stop in COMPLETE else f"answer that was cut: {stop}"
    return _turn(entry, "assistant", content, why or cut, str(message.get("model") or ""))


def _said(part: Mapping[str, Any]) -> WireMessage | None:
    if part.get("type") == "text":
        return {"type": "text", "text": str(part.get("text", ""))}
    if part.get("type") != "toolCall":
        return None
    given = part.get("arguments")
    call = {"type": "tool_use", "id": str(part.get("id")), "name": str(part.get("name"))}
    return {**call, "input": given if isinstance(given, dict) else {}}


def _result(message: Mapping[str, Any]) -> WireMessage:
    parts = _parts(message.get("content"))
    texts = [str(part["text"]) for part in parts if part["type"] == "text"]
    content = "\n".join(texts) if len(texts) == len(parts) else parts
    result = {"type": "tool_result", "tool_use_id": str(message.get("toolCallId")), "content": content}
    return {**result, "is_error": True} if message.get("isError") is True else result


def _parts(content: Any) -> list[WireMessage]:
    kept = (block for block in as_blocks(content) if block.get("type") in ("text", "image"))
    return [
        {"type": "image"}
        if block["type"] == "image"
        else {"type": "text", "text": str(block.get("text", ""))}
        for block in kept
    ]


def _turn(
    entry: Mapping[str, Any], role: str, content: list[WireMessage], why: str = "", model: str = ""
) -> Turn | None:
    if not content:
        return None
    return Turn(role, content, str(entry.get("timestamp", "")), str(entry.get("id", "")), why, model)
