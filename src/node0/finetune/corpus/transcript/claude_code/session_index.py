# SPDX-License-Identifier: Apache-2.0
"""Index a session file: where each line lies, whose child it is, and what the request log says.

Contents stay in the file; a `Line` remembers its place, so that a long session is held only as far as
the conversation at hand needs it.
"""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

from node0.documents.json_document import depth_exceeds
from node0.finetune.corpus.transcript.claude_code.log_hash import log_hash, message_hash, without_cache_marks
from node0.finetune.corpus.transcript.session_lines import ByteRange, json_objects
from node0.finetune.corpus.transcript.trajectory import RequestShape
from node0.finetune.corpus.transcript.wire_messages import WireMessage, as_blocks

INTERRUPTED = "[Request interrupted by user]"
"What the harness sends in the user's name when an answer was stopped before its end."

WARM_UP = "Warmup"
"What the harness asks a subagent of its own accord, so that the first real request is in the cache."

HARNESS = "<synthetic>"
"The model of words that the harness put where an answer stands."

WITHOUT_CONTENT = (
    *("summary", "file-history-snapshot", "progress", "queue-operation", "last-prompt", "mode"),
    *("permission-mode", "atis-latch", "tools-used", "cost-state", "system"),
)


@dataclass(frozen=True, slots=True)
class Line:
    """One line that has a uuid, without its content."""

    uuid: str
    parent: str | None
    kind: str
    """user, assistant, attachment, snapshot, boundary, error (an API error shown as an answer), deep (a turn
    whose message nothing can read: it is nested too deeply) or other."""

    place: ByteRange
    at: str = ""
    sidechain: bool = False
    agent: str = ""
    message_id: str = ""
    request: str = ""
    "Id of the request that this line answers."

    tool_ids: tuple[str, ...] = ()
    "Ids of the calls that it makes or answers."

    stop: str = ""
    "Why the model stopped; empty where the line does not tell."

    model: str = ""
    "That answered, as its endpoint called itself; empty in lines that are no answer."

    harness: str = ""
    "What the harness says here and nobody else: `INTERRUPTED`, `WARM_UP` or `HARNESS`; else empty."

    kept: tuple[str, ...] = ()
    "Of a boundary: uuids of the lines before it that stand again behind its anchor."

    anchor: str = ""


class _Kept(TypedDict, total=False):
    kept: tuple[str, ...]
    anchor: str


@dataclass(frozen=True, slots=True)
class LoggedCall:
    """One `api-request` line."""

    id: str
    at: str
    shape: str
    base: str | None
    keep: int
    tail: tuple[str, ...]
    line: int
    "How many lines with a uuid stood in the file before it."


@dataclass
class SessionIndex:
    """All that one file says, without the contents of its lines."""

    path: Path
    session_id: str = ""
    version: str = ""
    cwd: str = ""
    lines: dict[str, Line] = field(default_factory=dict)
    blobs: dict[str, ByteRange] = field(default_factory=dict)
    shapes: dict[str, RequestShape] = field(default_factory=dict)
    calls: dict[str, LoggedCall] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)
    "Lines that were not used, by reason."


def index_session(path: Path) -> SessionIndex:
    """Read a session file once. Never raises for what the file holds; what is not used is counted."""
    index = SessionIndex(path)
    for place, line in json_objects(path, index.skipped):
        try:
            _index_line(index, place, line)
        except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError):
            index.skipped["malformed line"] += 1
        del line  # before the next one is read: a line may be large
    return index


def _index_line(index: SessionIndex, place: ByteRange, line: dict[str, Any]) -> None:
    kind = str(line.get("type", ""))
    if kind.startswith("api-request"):
        _index_log(index, place, line)
        return
    if kind in ("user", "assistant"):
        index.session_id = index.session_id or str(line.get("sessionId", ""))
        index.version = str(line.get("version", index.version))
        index.cwd = index.cwd or str(line.get("cwd", ""))
    elif kind != "attachment":
        index.skipped[f"{kind} line" if kind in WITHOUT_CONTENT else "line of unknown type"] += 1
    uuid = line.get("uuid")
    if not isinstance(uuid, str):
        index.skipped["turn without a uuid"] += kind in ("user", "assistant", "attachment")
        return
    if uuid in index.lines:
        index.skipped["duplicated line"] += 1
        return
    index.lines[uuid] = _line(kind, place, line)


def _line(kind: str, place: ByteRange, line: dict[str, Any]) -> Line:
    parent = line.get("parentUuid")
    boundary = line.get("subtype") == "compact_boundary"
    if boundary:
        parent = line.get("logicalParentUuid") or parent
    speaks = kind in ("user", "assistant")
    message = line["message"] if speaks else {}
    if speaks and not (isinstance(message["content"], str | list) and isinstance(message["role"], str)):
        raise TypeError("a message needs a role and content")
    deep = depth_exceeds(message)
    return Line(
        uuid=line["uuid"],
        parent=parent if isinstance(parent, str) else None,
        kind="boundary" if boundary else "deep" if deep else _kind(kind, line),
        place=place,
        at=str(line.get("timestamp", "")),
        sidechain=bool(line.get("isSidechain")),
        agent=str(line.get("agentId", "")),
        message_id=str(message.get("id") or line["uuid"]) if kind == "assistant" else "",
        request=str(line.get("requestRef", "")),
        tool_ids=_tool_ids(message),
        stop=str(message.get("stop_reason") or ""),
        model=str(message.get("model") or "") if kind == "assistant" else "",
        harness=_harness(message),
        **_kept(line.get("compactMetadata")),
    )


def _kept(compaction: object) -> _Kept:
    """What a compaction left of the last rounds as it was, beside its summary."""
    told = compaction.get("preservedMessages") if isinstance(compaction, dict) else None
    uuids = told.get("uuids") if isinstance(told, dict) else None
    if not isinstance(told, dict) or not isinstance(uuids, list):
        return {}
    return {"kept": tuple(map(str, uuids)), "anchor": str(told.get("anchorUuid"))}


def _kind(kind: str, line: dict[str, Any]) -> str:
    if kind == "assistant" and line.get("isApiErrorMessage"):
        return "error"
    if kind == "attachment":
        return "snapshot" if line["attachment"].get("type") == "prompt_snapshot" else "attachment"
    return kind if kind in ("user", "assistant") else "other"


def _harness(message: WireMessage) -> str:
    if message.get("model") == HARNESS:
        return HARNESS
    blocks = as_blocks(message.get("content", []))
    text = str(blocks[0].get("text", "")).strip() if len(blocks) == 1 else ""
    return text if message.get("role") == "user" and text in (INTERRUPTED, WARM_UP) else ""


def _tool_ids(message: WireMessage) -> tuple[str, ...]:
    blocks = as_blocks(message.get("content", []))
    keys = {"tool_use": "id", "tool_result": "tool_use_id"}
    return tuple(str(block.get(keys[block["type"]])) for block in blocks if block.get("type") in keys)


def _index_log(index: SessionIndex, place: ByteRange, line: dict[str, Any]) -> None:
    kind = line["type"]
    if kind == "api-request-shape":
        if log_hash(line["shape"]) != line["shapeHash"]:
            index.skipped["request shape with a wrong hash"] += 1
            return
        index.shapes[line["shapeHash"]] = _shape(
            line["shape"].get("system") or (), line["shape"].get("tools") or ()
        )
    elif kind == "api-request-blob":
        raw = log_hash({"role": line["message"]["role"], "content": line["message"]["content"]})
        if line["hash"] not in (raw, message_hash(line["message"])):
            index.skipped["request message with a wrong hash"] += 1
            return
        index.blobs[line["hash"]] = place
    elif kind == "api-request":
        call = LoggedCall(
            id=str(line["id"]),
            at=str(line.get("timestamp", "")),
            shape=str(line.get("shapeHash", "")),
            base=line.get("base"),
            keep=int(line.get("keep", 0)),
            tail=tuple(str(name) for name in line["tail"]),
            line=len(index.lines),
        )
        index.calls.setdefault(call.id, call)


def _shape(system: Any, tools: Any) -> RequestShape:
    blocks = as_blocks(system) if not isinstance(system, tuple) else []
    whole = tuple(without_cache_marks(dict(tool)) for tool in tools)
    return RequestShape(tuple(str(block.get("text", "")) for block in blocks), whole)


def snapshot_shape(attachment: dict[str, Any]) -> RequestShape:
    """The shape that a `prompt_snapshot` attachment tells of; on the wire its parts are one block."""
    prompt = attachment.get("systemPrompt") or []
    parts = ["\n\n".join(str(part) for part in (prompt if isinstance(prompt, list) else [prompt]))]
    prefix = [str(attachment["cliPrefix"])] if attachment.get("cliPrefix") else []
    tools = [tool.get("schema", tool) for tool in attachment.get("tools") or [] if isinstance(tool, dict)]
    return RequestShape((*prefix, *parts), _shape((), tools).tools)
