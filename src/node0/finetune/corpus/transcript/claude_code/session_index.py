# SPDX-License-Identifier: Apache-2.0
"""Stream a session file and index it: where each turn lies, what the request log says.

Contents stay in the file; a `Turn` remembers its place, so that a long session is held only as far as
the conversation at hand needs it.
"""

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

MAX_LINE = 24 << 20
"Bytes of the longest line that is read; with one rare letter in it, it takes nine times as much to read."

MAX_HELD = 48 << 20
"Bytes of the longest conversation that is held; the API takes requests of up to 32 MB."

WITHOUT_CONTENT = (
    *("summary", "file-history-snapshot", "progress", "queue-operation", "last-prompt", "mode"),
    *("permission-mode", "atis-latch", "tools-used", "cost-state", "system"),
)
Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a line stands in its file."""

    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Turn:
    """One line that has a uuid."""

    uuid: str
    parent: str | None
    kind: str
    "user, assistant, attachment, snapshot, boundary, error (an API error shown as an answer) or other."

    place: Place
    at: str = ""
    sidechain: bool = False
    agent: str = ""
    message_id: str = ""
    request: str = ""
    "Id of the request that this line answers."

    tool_ids: tuple[str, ...] = ()
    "Ids of the calls that it makes or answers."


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
    "How many turns stood in the file before it."


@dataclass(frozen=True)
class Shape:
    """What a request says beside its messages."""

    system: tuple[str, ...] = ()
    tools: tuple[dict[str, Any], ...] = ()
    "Whole definitions; `defer_loading` marks one that the model sees only where a result names it."


@dataclass
class SessionIndex:
    """All that one file says, without the contents of its turns."""

    path: Path
    session_id: str = ""
    version: str = ""
    cwd: str = ""
    turns: dict[str, Turn] = field(default_factory=dict)
    blobs: dict[str, Place] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)
    calls: dict[str, LoggedCall] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)
    "Lines that were not used, by reason."


class Loader:
    """Reads single lines of a file again."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def line(self, place: Place) -> dict[str, Any]:
        """The JSON object at a place that the index remembers."""
        self._file.seek(place.offset)
        content = json.loads(self._file.read(place.size))
        assert isinstance(content, dict)
        return content

    def message(self, place: Place) -> Message:
        """The message of the line at a place, with blocks as content."""
        message = self.line(place)["message"]
        return {"role": message["role"], "content": as_blocks(message["content"])}


def index_session(path: Path) -> SessionIndex:
    """Read a session file once. Never raises for what the file holds; what is not used is counted."""
    index = SessionIndex(path)
    for place, line in _objects(path, index.skipped):
        try:
            _index_line(index, place, line)
        except (KeyError, TypeError, ValueError, AttributeError):
            index.skipped["malformed line"] += 1
        del line  # before the next one is read: a line may be large
    return index


def as_blocks(content: Any) -> list[dict[str, Any]]:
    """Message content as a list of blocks; what is no block is left out."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []


def held(value: Any) -> int:
    """The memory that the strings of a message take."""
    if isinstance(value, str):
        return sys.getsizeof(value)
    if isinstance(value, dict):
        return sum(held(item) for item in value.values())
    return sum(held(item) for item in value) if isinstance(value, list) else 0


def message_hash(message: Message) -> str:
    """The hash under which the log names a message."""
    return _sha256({"role": message["role"], "content": as_blocks(message["content"])})


def _sha256(value: Any) -> str:
    line = json.dumps(_without_marks(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(line.encode("utf-8", "surrogatepass")).hexdigest()


def _without_marks(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_marks(item) for key, item in value.items() if key != "cache_control"}
    if isinstance(value, list):
        return [_without_marks(item) for item in value]
    return value


def _objects(path: Path, skipped: Counter[str]) -> Iterator[tuple[Place, dict[str, Any]]]:
    offset = 0
    with path.open("rb") as file:
        while raw := file.readline(MAX_LINE):
            whole = raw.endswith(b"\n")
            place = Place(offset, len(raw))
            offset += len(raw)
            if not whole and len(raw) == MAX_LINE:
                offset += _pass_line(file)
                skipped["line over 24 MB"] += 1
            elif raw.strip():
                try:
                    value = json.loads(raw)
                except (ValueError, RecursionError):
                    skipped["not JSON" if whole else "torn last line"] += 1
                    continue
                if isinstance(value, dict):
                    yield place, value
                else:
                    skipped["not a JSON object"] += 1
                del value


def _pass_line(file: BinaryIO) -> int:
    passed = 0
    while raw := file.readline(MAX_LINE):
        passed += len(raw)
        if raw.endswith(b"\n"):
            break
    return passed


def _index_line(index: SessionIndex, place: Place, line: dict[str, Any]) -> None:
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
    if uuid in index.turns:
        index.skipped["duplicated line"] += 1
        return
    index.turns[uuid] = _turn(kind, place, line)


def _turn(kind: str, place: Place, line: dict[str, Any]) -> Turn:
    parent = line.get("parentUuid")
    boundary = line.get("subtype") == "compact_boundary"
    if boundary:
        parent = line.get("logicalParentUuid") or parent
    message = line["message"] if kind in ("user", "assistant") else {}
    if message and not (isinstance(message["content"], str | list) and message["role"]):
        raise TypeError("a message needs a role and content")
    return Turn(
        uuid=line["uuid"],
        parent=parent if isinstance(parent, str) else None,
        kind="boundary" if boundary else _kind(kind, line),
        place=place,
        at=str(line.get("timestamp", "")),
        sidechain=bool(line.get("isSidechain")),
        agent=str(line.get("agentId", "")),
        message_id=str(message.get("id") or line["uuid"]) if kind == "assistant" else "",
        request=str(line.get("requestRef", "")),
        tool_ids=_tool_ids(message),
    )


def _kind(kind: str, line: dict[str, Any]) -> str:
    if kind == "assistant" and line.get("isApiErrorMessage"):
        return "error"
    if kind == "attachment":
        return "snapshot" if line["attachment"].get("type") == "prompt_snapshot" else "attachment"
    return kind if kind in ("user", "assistant") else "other"


def _tool_ids(message: Message) -> tuple[str, ...]:
    blocks = as_blocks(message.get("content", []))
    keys = {"tool_use": "id", "tool_result": "tool_use_id"}
    return tuple(str(block.get(keys[block["type"]])) for block in blocks if block.get("type") in keys)


def _index_log(index: SessionIndex, place: Place, line: dict[str, Any]) -> None:
    kind = line["type"]
    if kind == "api-request-shape":
        if _sha256(line["shape"]) != line["shapeHash"]:
            index.skipped["request shape with a wrong hash"] += 1
            return
        index.shapes[line["shapeHash"]] = _shape(
            line["shape"].get("system") or (), line["shape"].get("tools") or ()
        )
    elif kind == "api-request-blob":
        raw = _sha256({"role": line["message"]["role"], "content": line["message"]["content"]})
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
            line=len(index.turns),
        )
        index.calls.setdefault(call.id, call)


def _shape(system: Any, tools: Any) -> Shape:
    blocks = as_blocks(system) if not isinstance(system, tuple) else []
    whole = tuple(_without_marks(dict(tool)) for tool in tools)
    return Shape(tuple(str(block.get("text", "")) for block in blocks), whole)


def snapshot_shape(attachment: dict[str, Any]) -> Shape:
    """The shape that a `prompt_snapshot` attachment tells of; on the wire its parts are one block."""
    prompt = attachment.get("systemPrompt") or []
    parts = ["\n\n".join(str(part) for part in (prompt if isinstance(prompt, list) else [prompt]))]
    prefix = [str(attachment["cliPrefix"])] if attachment.get("cliPrefix") else []
    tools = [tool.get("schema", tool) for tool in attachment.get("tools") or [] if isinstance(tool, dict)]
    return Shape((*prefix, *parts), _shape((), tools).tools)
