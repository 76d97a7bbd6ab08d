# SPDX-License-Identifier: Apache-2.0
"""Situations of recorded sessions: what the deployed model would know when it has to answer.

Two sessions are in the same situation where role, prompt, tools, what users and tools said, and all calls
before are the same after normalising: in the form that the role's profile gives them, names of the session
numbered (`session_names`), calls without what changes nothing (`same_calls`). Words around a call tell
nothing of what was done and do not count.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from node0.finetune.chat.harness import result_text
from node0.finetune.chat.messages import Block, Message, blocks, text_of
from node0.finetune.chat.profile import DeploymentProfile, rewrite, rewrite_system, rewrite_tools
from node0.finetune.chat.same_calls import calls_of, normal_call
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.data.calls import Dialogue, dialogues
from node0.finetune.dpo.session_names import SessionNames, each_text

SUCCESS, FAILURE = "success", "failure"
"Outcomes of entries. Others, such as `escalated` or `abandoned`, say nothing of how well a session did."

DIGITS = 32
"Of a digest, in hex."


@dataclass(frozen=True, slots=True)
class Decision:
    """One answer of a session and the situation that it was given in."""

    entry_id: str
    session: str
    succeeded: bool
    turn: int
    "Its place among the turns, as `recorded_calls` gives them."

    situation: str
    answer: str
    "Digests of both; answers that make the same calls have the same one."

    makes_calls: bool


def decisions(entry: CorpusEntry, profile: DeploymentProfile) -> Iterator[Decision]:
    """Every answer of an entry that a model would learn."""
    for dialogue in dialogues(entry, profile)[0]:
        for decision, _ in _walked(entry, dialogue, profile, SessionNames(entry)):
            yield decision


def names_before(entry: CorpusEntry, turn: int, profile: DeploymentProfile) -> list[str]:
    """The entry's own names that are met before the answer at `turn`, in order.

    Entries in one situation have as many of them, and the n-th of one stands where the other has its n-th.
    """
    for dialogue in dialogues(entry, profile)[0]:
        names = SessionNames(entry)
        for decision, known in _walked(entry, dialogue, profile, names):
            if decision.turn == turn:
                return list(names)[:known]
    raise ValueError(f"entry {entry.id} has no answer at turn {turn}")


def _walked(
    entry: CorpusEntry, dialogue: Dialogue, profile: DeploymentProfile, names: SessionNames
) -> Iterator[tuple[Decision, int]]:
    """Each decision, and how many names were met before its answer."""
    answers = set(dialogue.answers)
    tools = json.dumps(rewrite_tools(dialogue.tools, profile), sort_keys=True)
    situation = _digest(entry.role, names.canonical(rewrite_system(dialogue.system, profile)), tools)
    for turn, message in enumerate(dialogue.messages[: max(answers) + 1]):
        deployed = rewrite(message, profile)
        if deployed is None:
            continue
        known, told = len(names), _told(deployed, names)
        if turn in answers:
            decision = Decision(
                entry_id=entry.id,
                session=entry.session_id or entry.id,
                succeeded=entry.outcome == SUCCESS,
                turn=turn,
                situation=situation,
                answer=_digest(told),
                makes_calls=bool(calls_of(blocks(deployed))),
            )
            yield decision, known
        situation = _digest(situation, message["role"], told)


def _told(message: Message, names: SessionNames) -> str:
    """What counts of a turn, as a text that compares."""
    if message["role"] != "assistant":
        parts: Any = [_part(block, names) for block in blocks(message)]
    elif calls := calls_of(blocks(message)):
        parts = each_text([list(normal_call(call)) for call in calls], names.canonical)
    else:
        parts = " ".join(names.canonical(text_of(message)).split())
    return json.dumps(parts, sort_keys=True, ensure_ascii=False)


def _part(block: Block, names: SessionNames) -> list[Any]:
    if block["type"] == "tool_result":
        return ["result", bool(block.get("is_error")), names.canonical(result_text(block))]
    return [block["type"], names.canonical(block["text"]) if block["type"] == "text" else ""]


def _digest(*parts: str) -> str:
    line = json.dumps(parts, ensure_ascii=False)
    return hashlib.sha256(line.encode("utf-8", "surrogatepass")).hexdigest()[:DIGITS]
