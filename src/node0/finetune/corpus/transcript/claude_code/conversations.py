# SPDX-License-Identifier: Apache-2.0
"""Part the lines of a chain into conversations: from each root, the path to its last turn."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from node0.finetune.corpus.transcript.claude_code.session_index import Line


@dataclass(frozen=True)
class Conversation:
    """The lines that the model had before it, from the root on; in no order."""

    lines: Sequence[Line]
    whole: bool
    "Its beginning is in the file."


def conversations(
    lines: Sequence[Line], by_uuid: Mapping[str, Line], skipped: Counter[str]
) -> list[Conversation]:
    """The conversations of a chain, in the order of their roots.

    Args:
        lines: Of the chain, in the order of the file.
        by_uuid: Every line of the file.
        skipped: Takes the count of turns whose parent is missing.
    """
    parents = _parents(lines, by_uuid, skipped)
    roots = _roots(lines, parents)
    leaves: dict[str, Line] = {}
    members: dict[str, list[Line]] = {}
    for line in lines:
        members.setdefault(roots[line.uuid], []).append(line)
        if line.kind in ("user", "assistant", "deep"):
            leaves[roots[line.uuid]] = line
    found = []
    for root, leaf in leaves.items():
        lines_of_it = _complete(members[root], _path(leaf, parents))
        found.append(Conversation(lines_of_it, _is_whole(by_uuid[root], by_uuid)))
    return found


def _parents(
    lines: Sequence[Line], by_uuid: Mapping[str, Line], skipped: Counter[str]
) -> dict[str, Line | None]:
    """The parent of each line; the line before where the writer left it out, or it is not in the file."""
    ours = {line.uuid for line in lines}
    sets_parents = any(line.parent is not None for line in lines)
    parents: dict[str, Line | None] = {}
    before: Line | None = None
    for line in lines:
        parent = by_uuid.get(line.parent) if line.parent is not None else None
        if line.parent is not None and parent is None:
            skipped["parent that is not in the file"] += line.kind in ("user", "assistant", "deep")
            parent = before
        elif line.parent is None and not (sets_parents and _may_begin(line)):
            parent = before
        parents[line.uuid] = parent if parent is not None and parent.uuid in ours else None
        before = line
    return parents


def _may_begin(line: Line) -> bool:
    """Whether a conversation may begin here: an answer, or a tool's result, goes on with what was before."""
    return line.kind not in ("assistant", "deep") and not line.tool_ids


def _is_whole(root: Line, by_uuid: Mapping[str, Line]) -> bool:
    """Whether nothing is missing before the root: a parent elsewhere, or the call that a result answers."""
    known = root.parent is None or root.parent in by_uuid
    return known and root.kind != "assistant" and not root.tool_ids


def _roots(lines: Sequence[Line], parents: Mapping[str, Line | None]) -> dict[str, str]:
    """The uuid of the root of each line; lines that are each other's parents end at the first one met."""
    roots: dict[str, str] = {}
    for line in lines:
        trail: dict[str, None] = {}
        at: Line | None = line
        while at is not None and at.uuid not in roots and at.uuid not in trail:
            trail[at.uuid] = None
            at = parents[at.uuid]
        root = roots.get(at.uuid, at.uuid) if at is not None else next(reversed(trail))
        roots.update(dict.fromkeys(trail, root))
    return roots


def _path(leaf: Line, parents: Mapping[str, Line | None]) -> list[Line]:
    path: dict[str, Line] = {}
    line: Line | None = leaf
    while line is not None and line.uuid not in path:
        path[line.uuid] = line
        line = parents[line.uuid]
    return list(path.values())


def _complete(lines: Sequence[Line], path: Sequence[Line]) -> list[Line]:
    """The path with the lines that share an answer's id, or answer its calls on a branch of their own."""
    chosen = {line.uuid: line for line in path}
    answers = {line.message_id for line in path if line.message_id}
    chosen |= {line.uuid: line for line in lines if line.message_id in answers}
    calls = {name for line in chosen.values() if line.message_id for name in line.tool_ids}
    answered = {name for line in chosen.values() if line.kind == "user" for name in line.tool_ids}
    for line in lines:
        missing = line.kind == "user" and line.uuid not in chosen and set(line.tool_ids) & (calls - answered)
        if missing and line.parent in chosen:
            chosen[line.uuid] = line
            answered |= set(line.tool_ids)
    return list(chosen.values())
