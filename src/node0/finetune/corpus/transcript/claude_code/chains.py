# SPDX-License-Identifier: Apache-2.0
"""Build a session's chains from its lines: active path, split answers, parallel results.

Lines point at their parents, so a file is a tree: rewinds and retries leave branches. A chain is
the path from its last line to its root. A parallel call puts the results of one answer on branches of
their own, so the path is completed by the lines that share an answer's id or answer its calls.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from node0.finetune.corpus.transcript.claude_code.session_index import Line


@dataclass
class LineGroup:
    """The lines of one answer, or all that stand between two answers."""

    answer: bool
    lines: list[Line] = field(default_factory=list)


@dataclass(frozen=True)
class Context:
    """What the model had before it between two compactions."""

    groups: tuple[LineGroup, ...]


@dataclass(frozen=True)
class Chain:
    """The main conversation of a file, or one sidechain."""

    agent: str
    "Empty for the main conversation."

    contexts: tuple[Context, ...]


def chains(lines: Iterable[Line], skipped: Counter[str]) -> list[Chain]:
    """The chains of a file: the main one first, then each sidechain.

    Args:
        lines: Every line of the file, in order.
        skipped: Takes the count of lines that no chain holds.
    """
    ordered = list(lines)
    by_uuid = {line.uuid: line for line in ordered}
    rank = {line.uuid: number for number, line in enumerate(ordered)}
    members: dict[str, list[Line]] = {}
    names: dict[str, str] = {}
    for line in ordered:
        name = _chain_name(line, names)
        names[line.uuid] = name
        members.setdefault(name, []).append(line)
    found = []
    for name in sorted(members, key=lambda name: (name != "", rank[members[name][0].uuid])):
        path = _complete(members[name], _active_path(members[name], by_uuid, skipped))
        content = sum(line.kind in ("user", "assistant") for line in members[name])
        skipped["line off the active path"] += content - sum(
            line.kind in ("user", "assistant") for line in path
        )
        found.append(Chain(name, tuple(_contexts(sorted(path, key=lambda line: rank[line.uuid])))))
    return found


def _chain_name(line: Line, names: dict[str, str]) -> str:
    if not line.sidechain:
        return ""
    # Older files tell sidechains apart only by their roots.
    return line.agent or names.get(line.parent or "", "") or line.uuid


def _active_path(lines: Sequence[Line], by_uuid: dict[str, Line], skipped: Counter[str]) -> list[Line]:
    before = dict(zip((line.uuid for line in lines[1:]), lines, strict=False))
    leaf = next((line for line in reversed(lines) if line.kind in ("user", "assistant")), None)
    path: dict[str, Line] = {}
    line = leaf
    while line is not None and line.uuid not in path:
        path[line.uuid] = line
        if line.parent is None:
            break
        parent = by_uuid.get(line.parent)
        if parent is None:
            skipped["parent that is not in the file"] += 1
            parent = before.get(line.uuid)
        line = parent if parent is not None and parent.sidechain == line.sidechain else None
    return list(path.values())


def _complete(lines: Sequence[Line], path: Sequence[Line]) -> list[Line]:
    chosen = {line.uuid: line for line in path}
    answers = {line.message_id for line in path if line.kind == "assistant"}
    chosen |= {line.uuid: line for line in lines if line.kind == "assistant" and line.message_id in answers}
    calls = {name for line in chosen.values() if line.kind == "assistant" for name in line.tool_ids}
    answered = {name for line in chosen.values() if line.kind == "user" for name in line.tool_ids}
    for line in lines:
        missing = line.kind == "user" and line.uuid not in chosen and set(line.tool_ids) & (calls - answered)
        if missing and line.parent in chosen:
            chosen[line.uuid] = line
            answered |= set(line.tool_ids)
    return list(chosen.values())


def _contexts(path: Iterable[Line]) -> list[Context]:
    contexts: list[list[LineGroup]] = [[]]
    for line in path:
        if line.kind == "boundary":
            contexts.append([])
        elif line.kind == "assistant":
            _answer_group(contexts[-1], line).lines.append(line)
        elif line.kind in ("user", "attachment", "snapshot"):
            if not contexts[-1] or contexts[-1][-1].answer:
                contexts[-1].append(LineGroup(answer=False))
            contexts[-1][-1].lines.append(line)
    return [Context(tuple(groups)) for groups in contexts if groups]


def _answer_group(groups: list[LineGroup], line: Line) -> LineGroup:
    # A tool may answer before the rest of the same message is written.
    for group in groups[-2:]:
        if group.answer and group.lines[0].message_id == line.message_id:
            return group
    groups.append(LineGroup(answer=True))
    return groups[-1]
