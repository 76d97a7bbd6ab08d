# SPDX-License-Identifier: Apache-2.0
"""Hold what a reader rebuilds beside what a scripted server received, whatever protocol that spoke.

Both sides become one list of plain records in their order: words of a role, calls, results. Whether results
and words share a message differs between protocols and says nothing.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from node0.finetune.corpus.transcript.recording import Recording
from node0.finetune.corpus.transcript.trajectory import Trajectory

SENTENCE = r"^[^\n]*\n\n(?=<summary>\n)"
"What pi says before a summary, and no reader keeps."

Record = list[Any]
"[role, words], [call, id, name, input] or [result, id, words]."


class Sent(NamedTuple):
    """One request as a server received it."""

    records: list[Record]
    tools: list[str]
    failed: list[str]
    "Ids of results that are marked as errors."


class Rebuilt(NamedTuple):
    """One call as a reader gave it, with its answer."""

    agent: str
    request: Sent
    answer: list[Record]


def rebuilt(recording: Recording) -> tuple[list[Rebuilt], dict[str, int]]:
    """Every call of a recording in order of time, and what was skipped."""
    found: list[tuple[str, Rebuilt]] = []
    skipped: dict[str, int] = {}
    for reader in recording.readers():
        for row in reader.trajectories():
            found += [(call.at, _call(row, number)) for number, call in enumerate(row.calls)]
        skipped.update(reader.skipped)
    return [call for _, call in sorted(found, key=lambda pair: pair[0])], skipped


def _call(row: Trajectory, number: int) -> Rebuilt:
    call = row.calls[number]
    before = messages_records(row.messages[: call.n_messages])
    tools = [str(tool["name"]) for tool in call.shape.tools]
    answer = messages_records([row.messages[call.n_messages]])
    return Rebuilt(row.agent, Sent(before, tools, _failed(row.messages[: call.n_messages])), answer)


def sent(body: Mapping[str, Any]) -> Sent:
    """A request body of any of the protocols, without its system prompt.

    Codex sends that as the first message, without sections that it records and leaves out.
    """
    if "input" in body:
        return Sent(
            list(_responses(body["input"][1:])), [str(tool.get("name", "")) for tool in body["tools"]], []
        )
    if "contents" in body:
        declared = (one for tool in body.get("tools", ()) for one in tool.get("functionDeclarations", ()))
        return Sent(list(_gemini(body["contents"])), [one["name"] for one in declared], [])
    names = [tool["name"] for tool in body.get("tools", ())]
    return Sent(messages_records(body["messages"]), names, _failed(body["messages"]))


def messages_records(messages: Iterable[Mapping[str, Any]]) -> list[Record]:
    """Of messages of Anthropic's protocol."""
    return [record for message in messages for record in _message(message)]


def _message(message: Mapping[str, Any]) -> Iterator[Record]:
    content = message["content"]
    for block in [{"type": "text", "text": content}] if isinstance(content, str) else content:
        if block["type"] == "text":
            yield [message["role"], re.sub(SENTENCE, "", block["text"])]
        elif block["type"] == "tool_use":
            yield ["call", block["id"], block["name"], block["input"]]
        elif block["type"] == "tool_result":
            yield ["result", block["tool_use_id"], _words(block.get("content", ""))]


def _failed(messages: Iterable[Mapping[str, Any]]) -> list[str]:
    blocks = (block for message in messages for block in message["content"] if isinstance(block, dict))
    return [block["tool_use_id"] for block in blocks if block.get("is_error") is True]


def _responses(items: Iterable[Mapping[str, Any]]) -> Iterator[Record]:
    """Of the input of OpenAI's Responses."""
    for item in items:
        if item["type"] == "message":
            role = "system" if item["role"] == "developer" else item["role"]
            yield from ([role, part["text"]] for part in item["content"])
        elif item["type"] == "function_call":
            yield ["call", item["call_id"], item["name"], json.loads(item["arguments"])]
        elif item["type"] == "function_call_output":
            yield ["result", item["call_id"], item["output"]]


def _gemini(contents: Iterable[Mapping[str, Any]]) -> Iterator[Record]:
    """Of the contents of Gemini's generateContent."""
    for content in contents:
        role = {"model": "assistant"}.get(content["role"], content["role"])
        for part in content["parts"]:
            if "functionCall" in part:
                call = part["functionCall"]
                yield ["call", call["id"], call["name"], call["args"]]
            elif "functionResponse" in part:
                answer = part["functionResponse"]
                (words,) = answer["response"].values()
                yield ["result", answer["id"], words]
            else:
                yield [role, part["text"]]


def _words(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content if part["type"] == "text")


def recorded(path: Path) -> list[Sent]:
    """Requests that a fixture holds."""
    return [Sent(*item) for item in json.loads(path.read_text(encoding="utf-8"))]


def compare(calls: Sequence[Rebuilt], requests: Sequence[Sent], *, unlearnt: Iterable[int] = ()) -> list[str]:
    """What differs between the calls and the requests, in words; requests at `unlearnt` made no call."""
    left_out = set(unlearnt)
    wanted = [request for number, request in enumerate(requests) if number not in left_out]
    problems = [f"{len(calls)} calls for {len(wanted)} requests"] if len(calls) != len(wanted) else []
    for number, (call, request) in enumerate(zip(calls, wanted, strict=False)):
        for mine, theirs in zip(call.request.records, request.records, strict=False):
            if mine != theirs:
                problems.append(f"call {number}: {mine!r} was {theirs!r}")
                break
        if len(call.request.records) != len(request.records):
            counts = f"{len(call.request.records)} records were {len(request.records)}"
            problems.append(f"call {number}: {counts}")
        if request.failed and call.request.failed != request.failed:
            problems.append(f"call {number}: failed {call.request.failed} was {request.failed}")
    return problems
