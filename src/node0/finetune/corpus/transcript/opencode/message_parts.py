# SPDX-License-Identifier: Apache-2.0
"""Turn opencode's messages and their parts into turns, as opencode sends them.

Seen with opencode 1.18.33 (every other key and type is ignored):

    message   id, role (user | assistant), time {created: ms}; of an assistant: error {name}, summary,
              modelID (that was asked for)
    part      type text {text, ignored}, file {mime}, tool {callID, tool, state}, step-start, step-finish
              {reason}, compaction (of a user: the context begins anew here), subtask {prompt}
    state     status completed {input, output, attachments [{mime}]}, error {input, error}, pending or
              running {input}: what was interrupted

A message of an assistant holds one step, in older versions several, each begun by a step-start. A call that
fits no tool is recorded as a call of `invalid`: these are not the model's words.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from node0.finetune.corpus.transcript.turns import CUT, REWOUND, SUMMARY, NewContext, Step, Turn
from node0.finetune.corpus.transcript.wire_messages import WireMessage

Message = tuple[Mapping[str, Any], Iterable[Mapping[str, Any]]]
"A message, and its parts."

INTERRUPTED = "[Tool execution was interrupted]"
"What opencode sends as the result of a call that never ended."

SO_FAR = "What did we do so far?"
"What opencode asks in the place of all that a compaction summed up."

INVALID = "invalid"
REWRITTEN = "answer with a call that the harness rewrote"
ABORTED = "MessageAbortedError"
COMPLETE = ("stop", "tool-calls", "unknown", "other")
"Why a step ends when the model has said all it wanted, or its provider does not tell why."


def steps_of(messages: Iterable[Message]) -> Iterator[Step]:
    """The turns of a session, and where its context begins anew."""
    for message, parts in messages:
        if message.get("role") == "user":
            yield from _asked(message, list(parts))
        elif _was_sent(message, held := list(parts)):
            yield from _answered(message, held)


def until_reverted(messages: Iterable[Message], revert: str, skipped: dict[str, int]) -> Iterator[Message]:
    """The messages before the one that was taken back with all behind it; empty means none was."""
    for message, parts in messages:
        if revert and str(message.get("id", "")) >= revert:
            skipped[REWOUND] += 1
        else:
            yield message, parts


def iso_time(milliseconds: Any) -> str:
    """Milliseconds since 1970 as ISO 8601, UTC; empty for what is no such number."""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
    except (TypeError, ValueError, OverflowError, OSError):
        return ""


def _asked(message: Mapping[str, Any], parts: Iterable[Mapping[str, Any]]) -> Iterator[Step]:
    content = []
    for part in parts:
        match part.get("type"):
            case "compaction":
                yield NewContext()
                content.append(_text(SO_FAR))
            case "text" if not part.get("ignored"):
                content.append(_text(part.get("text")))
            case "file" if not str(part.get("mime", "")).startswith("text/"):
                content.append({"type": _media(part)})
            case "subtask":
                content.append(_text(part.get("prompt")))
    if content:
        yield Turn("user", content, at=_created(message), name=str(message.get("id", "")))


def _was_sent(message: Mapping[str, Any], parts: Iterable[Mapping[str, Any]]) -> bool:
    """Whether later requests hold the answer: one that failed is left out, unless a person stopped it."""
    error = message.get("error")
    if not isinstance(error, dict):
        return True
    said = any(part.get("type") in ("text", "tool") for part in parts)
    return error.get("name") == ABORTED and said


def _answered(message: Mapping[str, Any], parts: Iterable[Mapping[str, Any]]) -> Iterator[Turn]:
    """One answer for each step, each followed by the results of its calls."""
    steps: list[list[Mapping[str, Any]]] = [[]]
    for part in parts:
        if part.get("type") == "step-start" and steps[-1]:
            steps.append([])
        steps[-1].append(part)
    for number, step in enumerate(steps):
        said = [part for part in step if part.get("type") in ("text", "tool")]
        tools = [part for part in said if part["type"] == "tool"]
        if said:
            name = f"{message.get('id', '')}:{number}" if number else str(message.get("id", ""))
            why = _why_unlearnt(message, step)
            model = str(message.get("modelID") or "")
            yield Turn("assistant", [_said(part) for part in said], _created(message), name, why, model)
        if tools:
            yield Turn("user", [_result(part) for part in tools])


def _why_unlearnt(message: Mapping[str, Any], step: Iterable[Mapping[str, Any]]) -> str:
    reasons = [str(part.get("reason", "")) for part in step if part.get("type") == "step-finish"]
    if message.get("summary") is True:
        return SUMMARY
    if any(part.get("tool") == INVALID for part in step if part.get("type") == "tool"):
        return REWRITTEN
    if not reasons:
        return CUT
    return "" if reasons[-1] in COMPLETE else f"answer that was cut: {reasons[-1]}"


def _said(part: Mapping[str, Any]) -> WireMessage:
    if part["type"] == "text":
        return _text(part.get("text"))
    given = _state(part).get("input")
    call = {"type": "tool_use", "id": str(part.get("callID")), "name": str(part.get("tool"))}
    return {**call, "input": given if isinstance(given, dict) else {}}


def _result(part: Mapping[str, Any]) -> WireMessage:
    state = _state(part)
    result: WireMessage = {"type": "tool_result", "tool_use_id": str(part.get("callID"))}
    if state.get("status") != "completed":
        told = state.get("error") if state.get("status") == "error" else INTERRUPTED
        return {**result, "content": str(told), "is_error": True}
    attached = state.get("attachments")
    seen = [file for file in attached if isinstance(file, dict)] if isinstance(attached, list) else []
    output = str(state.get("output", ""))
    if not seen:
        return {**result, "content": output}
    return {**result, "content": [_text(output), *({"type": _media(file)} for file in seen)]}


def _state(part: Mapping[str, Any]) -> Mapping[str, Any]:
    state = part.get("state")
    return state if isinstance(state, dict) else {}


def _media(file: Mapping[str, Any]) -> str:
    return "image" if str(file.get("mime", "")).startswith("image/") else "document"


def _created(message: Mapping[str, Any]) -> str:
    time = message.get("time")
    return iso_time(time.get("created")) if isinstance(time, dict) else ""


def _text(text: Any) -> WireMessage:
    return {"type": "text", "text": text if isinstance(text, str) else ""}
