# SPDX-License-Identifier: Apache-2.0
"""Build a session's chains from its lines: conversations, active paths, split answers, parallel results.

Lines point at their parents, so a file is a forest: each turn of a user without a parent begins a
conversation, and rewinds and retries leave branches. A conversation is the path from its last line to its
root. A parallel call puts the results of one answer on branches of their own, so the path is completed by
the lines that share an answer's id or answer its calls. A writer that sets no parents is read in the
order of its lines.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from node0.documents.json_document import MAX_DEPTH
from node0.finetune.corpus.transcript.claude_code.answers import unlearnt
from node0.finetune.corpus.transcript.claude_code.conversations import Conversation, conversations
from node0.finetune.corpus.transcript.claude_code.session_index import Line

TURNS = ("user", "assistant", "deep")
REPEATED = "answer that a compaction or a resume repeats"
MISSING_CALL = "answer behind the result of a call that is not in the file"
TOO_DEEP = f"answer at or behind a line nested over {MAX_DEPTH} deep"


@dataclass
class LineGroup:
    """The lines of one answer, or all that stand between two answers."""

    answer: bool
    lines: list[Line] = field(default_factory=list)
    unlearnt: str = ""
    "Why the answer is context only; empty where it is to be learnt."


@dataclass(frozen=True)
class Context:
    """What the model had before it between two compactions."""

    groups: tuple[LineGroup, ...]
    whole: bool = True
    "Begins where the conversation, or what a compaction left of it, begins."


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
        told = conversations(members[name], by_uuid, skipped)
        turns = Counter(line.uuid for one in told for line in one.lines if line.kind in TURNS)
        skipped["line off the active path"] += sum(line.kind in TURNS for line in members[name]) - len(turns)
        found.append(Chain(name, tuple(context for one in told for context in _contexts(one, rank, skipped))))
    return found


def _chain_name(line: Line, names: dict[str, str]) -> str:
    if not line.sidechain:
        return ""
    # Older files tell sidechains apart only by their roots.
    return line.agent or names.get(line.parent or "", "") or line.uuid


def _contexts(told: Conversation, rank: Mapping[str, int], skipped: Counter[str]) -> list[Context]:
    contexts: list[list[LineGroup]] = [[]]
    lost: set[str] | None = None
    for line, again in _as_sent(sorted(told.lines, key=lambda line: rank[line.uuid])):
        if line.kind == "boundary":
            contexts.append([])
            _count_lost(lost, skipped)
            lost = None
        elif line.kind == "deep":
            lost = (lost or set()) | {line.message_id} - {""}
            contexts[-1] = [group for group in contexts[-1] if group.lines[0].message_id not in lost]
        elif lost is not None:
            lost |= {line.message_id} - {""}
        elif line.kind == "assistant":
            group = _answer_group(contexts[-1], line)
            group.lines.append(line)
            group.unlearnt = REPEATED if again else group.unlearnt
        elif line.kind in ("user", "attachment", "snapshot"):
            if not contexts[-1] or contexts[-1][-1].answer:
                contexts[-1].append(LineGroup(answer=False))
            contexts[-1][-1].lines.append(line)
    _count_lost(lost, skipped)
    for groups in contexts:
        _mark(groups, skipped)
    return [
        Context(tuple(groups), whole=told.whole or number > 0)
        for number, groups in enumerate(contexts)
        if groups
    ]


def _as_sent(lines: Sequence[Line]) -> Iterator[tuple[Line, bool]]:
    """Lines in their order, and again, marked, where a compaction kept them behind its summary."""
    by_uuid = {line.uuid: line for line in lines}
    kept: dict[str, list[Line]] = {}
    for line in lines:
        yield line, False
        yield from ((one, True) for one in kept.pop(line.uuid, ()))
        if line.kind == "boundary":
            kept[line.anchor] = [by_uuid[uuid] for uuid in line.kept if uuid in by_uuid]


def _count_lost(lost: set[str] | None, skipped: Counter[str]) -> None:
    """Count the answers that are not read because a line at or before them is too deep."""
    if lost is not None:
        skipped[TOO_DEEP] += len(lost)


def _mark(groups: Sequence[LineGroup], skipped: Counter[str]) -> None:
    """Say of each answer whether it is context only, and count those by reason."""
    calls: set[str] = set()
    torn = ""
    for number, group in enumerate(groups):
        names = {name for line in group.lines for name in line.tool_ids}
        if not group.answer:
            torn = torn or (MISSING_CALL if number and names - calls else "")
            continue
        before = groups[number - 1].lines if number and not groups[number - 1].answer else ()
        behind = groups[number + 1].lines if number + 1 < len(groups) else ()
        group.unlearnt = group.unlearnt or unlearnt(group.lines, before, behind) or torn
        calls |= names
        if group.unlearnt:
            skipped[group.unlearnt] += 1


def _answer_group(groups: list[LineGroup], line: Line) -> LineGroup:
    # A tool may answer before the rest of the same message is written.
    for group in groups[-2:]:
        if group.answer and group.lines[0].message_id == line.message_id:
            return group
    groups.append(LineGroup(answer=True))
    return groups[-1]
