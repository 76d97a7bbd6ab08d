# SPDX-License-Identifier: Apache-2.0
"""Validate an entry's file: its place, its turns, its calls and tools."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from node0.errors import BadCorpus
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.store import read_entry

ROLES = ("system", "user", "assistant")
BLOCKS: dict[str, tuple[tuple[str, type | tuple[type, ...]], ...]] = {
    "text": (("text", str),),
    "tool_use": (("id", str), ("name", str), ("input", dict)),
    "tool_result": (("tool_use_id", str), ("content", (str, list))),
}
"Fields of each kind of block, and their types."

SPEAKER = {"tool_use": "assistant", "tool_result": "user"}


def problems_in(path: Path) -> list[str]:
    """What is wrong with the entry in a file; nothing, where it is well."""
    try:
        entry = read_entry(path)
    except BadCorpus as error:
        return [str(error)]
    misplaced = path.stem != entry.id or path.parent.name != entry.role
    return [*(["it lies under another id or role"] if misplaced else []), *problems_of(entry)]


def problems_of(entry: CorpusEntry) -> Iterator[str]:
    """What is wrong with an entry's turns, calls and tools."""
    sides = {"messages": entry.messages, "chosen": entry.chosen or [], "rejected": entry.rejected or []}
    for name, turns in sides.items():
        for number, turn in enumerate(turns):
            yield from (f"{name}[{number}]: {problem}" for problem in _turn(turn))
    if not any(sides.values()):
        yield "it has no turns"
    if (entry.chosen is None) != (entry.rejected is None):
        yield "it has one side of a pair only"
    yield from _calls(entry)
    for tool in [*entry.tools, *(tool for tools in entry.toolsets.values() for tool in tools)]:
        if not isinstance(tool.get("name"), str) or not isinstance(tool.get("input_schema"), dict):
            yield f"tool {tool.get('name')!r} has no name or no input_schema"


def _turn(turn: dict[str, Any]) -> Iterator[str]:
    role, content = turn.get("role"), turn.get("content")
    if role not in ROLES:
        yield f"its role is {role!r}"
    if isinstance(content, list):
        for block in content:
            yield from _block(block, role)
    elif not isinstance(content, str):
        yield "it has no content"


def _block(block: Any, role: Any) -> Iterator[str]:
    kind = block.get("type") if isinstance(block, dict) else None
    if not isinstance(kind, str) or kind not in BLOCKS:
        yield f"a block has the type {kind!r}"
        return
    for field, wanted in BLOCKS[kind]:
        if not isinstance(block.get(field), wanted):
            yield f"a {kind} block has no {field}, or one of another type"
    if kind == "tool_result" and isinstance(block.get("content"), list):
        for part in block["content"]:
            if not isinstance(part, dict) or not isinstance(part.get("text"), str):
                yield "a result holds something other than text"
    if role in ROLES and role != SPEAKER.get(kind, role):
        yield f"a {kind} block stands in a turn of {role}"


def _calls(entry: CorpusEntry) -> Iterator[str]:
    last = -1
    for number, call in enumerate(entry.requests):
        if not _answered(entry.messages, call.n_messages):
            yield f"requests[{number}]: no answer at messages[{call.n_messages}]"
        if call.n_messages <= last:
            yield f"requests[{number}]: out of order"
        if call.system not in entry.systems or call.tools not in entry.toolsets:
            yield f"requests[{number}]: its system text or its tools are missing"
        last = call.n_messages


def _answered(messages: Sequence[dict[str, Any]], at: int) -> bool:
    return at < len(messages) and messages[at].get("role") == "assistant"
