# SPDX-License-Identifier: Apache-2.0
"""From the lines of a session to its conversations: active path, split answers, parallel results.

Lines point at their parents, so a file is a tree: rewinds and retries leave branches. A conversation is
the path from its last line to its root. A parallel call puts the results of one answer on branches of
their own, so the path is completed by the lines that share an answer's id or answer its calls.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from node0.finetune.corpus.transcript.session_index import Turn


@dataclass
class Group:
    """The lines of one message: an answer, or all that stands between two answers."""

    assistant: bool
    turns: list[Turn] = field(default_factory=list)


@dataclass(frozen=True)
class Segment:
    """A stretch of conversation between compactions."""

    groups: tuple[Group, ...]


@dataclass(frozen=True)
class Thread:
    """The main conversation of a file, or one sidechain."""

    agent: str
    "Empty for the main conversation."

    segments: tuple[Segment, ...]


def threads(turns: Iterable[Turn], skipped: Counter[str]) -> list[Thread]:
    """The conversations of a file: the main one first, then each sidechain.

    Args:
        turns: Every turn of the file, in order.
        skipped: Takes the count of turns that no conversation holds.
    """
    ordered = list(turns)
    by_uuid = {turn.uuid: turn for turn in ordered}
    rank = {turn.uuid: number for number, turn in enumerate(ordered)}
    members: dict[str, list[Turn]] = {}
    names: dict[str, str] = {}
    for turn in ordered:
        name = _thread_name(turn, names)
        names[turn.uuid] = name
        members.setdefault(name, []).append(turn)
    found = []
    for name in sorted(members, key=lambda name: (name != "", rank[members[name][0].uuid])):
        path = _complete(members[name], _active_path(members[name], by_uuid, skipped))
        content = sum(turn.kind in ("user", "assistant") for turn in members[name])
        skipped["line off the active path"] += content - sum(
            turn.kind in ("user", "assistant") for turn in path
        )
        found.append(Thread(name, tuple(_segments(sorted(path, key=lambda turn: rank[turn.uuid])))))
    return found


def _thread_name(turn: Turn, names: dict[str, str]) -> str:
    if not turn.sidechain:
        return ""
    # Older files tell sidechains apart only by their roots.
    return turn.agent or names.get(turn.parent or "", "") or turn.uuid


def _active_path(turns: Sequence[Turn], by_uuid: dict[str, Turn], skipped: Counter[str]) -> list[Turn]:
    before = dict(zip((turn.uuid for turn in turns[1:]), turns, strict=False))
    leaf = next((turn for turn in reversed(turns) if turn.kind in ("user", "assistant")), None)
    path: dict[str, Turn] = {}
    turn = leaf
    while turn is not None and turn.uuid not in path:
        path[turn.uuid] = turn
        if turn.parent is None:
            break
        parent = by_uuid.get(turn.parent)
        if parent is None:
            skipped["parent that is not in the file"] += 1
            parent = before.get(turn.uuid)
        turn = parent if parent is not None and parent.sidechain == turn.sidechain else None
    return list(path.values())


def _complete(turns: Sequence[Turn], path: Sequence[Turn]) -> list[Turn]:
    chosen = {turn.uuid: turn for turn in path}
    answers = {turn.message_id for turn in path if turn.kind == "assistant"}
    chosen |= {turn.uuid: turn for turn in turns if turn.kind == "assistant" and turn.message_id in answers}
    calls = {name for turn in chosen.values() if turn.kind == "assistant" for name in turn.tool_ids}
    answered = {name for turn in chosen.values() if turn.kind == "user" for name in turn.tool_ids}
    for turn in turns:
        missing = turn.kind == "user" and turn.uuid not in chosen and set(turn.tool_ids) & (calls - answered)
        if missing and turn.parent in chosen:
            chosen[turn.uuid] = turn
            answered |= set(turn.tool_ids)
    return list(chosen.values())


def _segments(path: Iterable[Turn]) -> list[Segment]:
    segments: list[list[Group]] = [[]]
    for turn in path:
        if turn.kind == "boundary":
            segments.append([])
        elif turn.kind == "assistant":
            _answer_group(segments[-1], turn).turns.append(turn)
        elif turn.kind in ("user", "attachment", "snapshot"):
            if not segments[-1] or segments[-1][-1].assistant:
                segments[-1].append(Group(assistant=False))
            segments[-1][-1].turns.append(turn)
    return [Segment(tuple(groups)) for groups in segments if groups]


def _answer_group(groups: list[Group], turn: Turn) -> Group:
    # A tool may answer before the rest of the same message is written.
    for group in groups[-2:]:
        if group.assistant and group.turns[0].message_id == turn.message_id:
            return group
    groups.append(Group(assistant=True))
    return groups[-1]
