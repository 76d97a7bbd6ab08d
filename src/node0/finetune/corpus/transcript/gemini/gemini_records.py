# SPDX-License-Identifier: Apache-2.0
"""Turn the records of a Gemini CLI session into turns, as Gemini CLI sends them.

Seen with Gemini CLI 0.61.0: {id, timestamp, type: user | gemini, content, toolCalls}. Content is a text, or
parts {text}, {functionCall: {id, name, args}}, {functionResponse: {id, response: {output | error}}},
{inlineData}. A tool call {id, name, args, result: [parts]} stands beside an answer's content; where no record
with its result follows, it is there alone. In the file an id has the tool's name before it: `name__id`; it is
sent without. Thoughts are not kept. Other types (info, error, warning) are words to the person.

A call is written down when it has ended: where the program was stopped in a tool, what the model said before
stands there as if that were all. So words at the end of a run are context only.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from node0.finetune.corpus.transcript.turns import Turn
from node0.finetune.corpus.transcript.wire_messages import WireMessage

Record = Mapping[str, Any]

MAYBE_CUT = "last answer of a run, which may have been stopped in a tool"
"Why an answer is context only, unless it makes a call."


def turns_of(records: Iterable[tuple[Record, str]]) -> Iterator[Turn]:
    """The turns of one context.

    Args:
        records: In their order, each with why it is context only, or an empty text.
    """
    waiting: list[list[WireMessage]] = []  # what each call told
    for record, why in records:
        if record.get("type") == "user":
            content = _parts(record.get("content"))
            told = _answered(content)
            missing = [block for blocks in waiting if not _answered(blocks) & told for block in blocks]
            if missing:
                yield Turn("user", missing)
            if content:
                yield Turn("user", content, _at(record), _name(record))
            waiting = []
        elif record.get("type") == "gemini":
            if left := [block for blocks in waiting for block in blocks]:
                yield Turn("user", left)
            calls = list(_objects(record.get("toolCalls")))
            content = [*_parts(record.get("content")), *(_call(call) for call in calls)]
            waiting = [_parts(call.get("result")) for call in calls]
            if content:
                unlearnt = "" if calls and why == MAYBE_CUT else why
                yield Turn("assistant", content, _at(record), _name(record), unlearnt)
    if left := [block for blocks in waiting for block in blocks]:
        yield Turn("user", left)


def _answered(blocks: Iterable[WireMessage]) -> set[str]:
    """Ids of the calls whose results are there; a picture beside a result has none."""
    return {str(block["tool_use_id"]) for block in blocks if "tool_use_id" in block}


def _parts(content: Any) -> list[WireMessage]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    parts = _objects(content if isinstance(content, list) else [content])
    found = (_part(part) for part in parts if not part.get("thought"))
    return [block for block in found if block]


def _objects(values: Any) -> Iterator[Mapping[str, Any]]:
    """The objects of what should be a list of them."""
    return (value for value in values if isinstance(value, dict)) if isinstance(values, list) else iter(())


def _part(part: Mapping[str, Any]) -> WireMessage | None:
    match part:
        case {"text": str(text)}:
            return {"type": "text", "text": text}
        case {"functionCall": dict(call)}:
            return _call(call)
        case {"functionResponse": dict(answer)}:
            return _result(answer)
        case {"inlineData": dict(data)} | {"fileData": dict(data)}:
            picture = str(data.get("mimeType", "")).startswith("image/")
            return {"type": "image" if picture else "document"}
    return None


def _call(call: Mapping[str, Any]) -> WireMessage:
    given = call.get("args")
    made = {"type": "tool_use", "id": _sent_id(call), "name": str(call.get("name"))}
    return {**made, "input": given if isinstance(given, dict) else {}}


def _result(answer: Mapping[str, Any]) -> WireMessage:
    response = answer.get("response")
    told = response if isinstance(response, dict) else {"output": response}
    (words,) = told.values() if len(told) == 1 else (told,)
    content = words if isinstance(words, str) else json.dumps(words, ensure_ascii=False)
    result = {"type": "tool_result", "tool_use_id": _sent_id(answer), "content": content}
    return {**result, "is_error": True} if "error" in told else result


def _sent_id(call: Mapping[str, Any]) -> str:
    return str(call.get("id")).removeprefix(f"{call.get('name')}__")


def _at(record: Record) -> str:
    return str(record.get("timestamp", ""))


def _name(record: Record) -> str:
    return str(record.get("id", ""))
