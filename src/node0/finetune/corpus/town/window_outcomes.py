# SPDX-License-Identifier: Apache-2.0
"""Derive a window's outcome from events, else from its transcript.

A window with a bead, the first that applies:
    success     `done` for the bead (status COMPLETED, or none)
    escalated   `done` with status ESCALATED, or `escalation_sent` by the actor in the window
    deferred    `done` with status DEFERRED
    abandoned   `unhook` of the bead by the actor
    failure     `session_death` of the actor in the window
    as the transcript says: a `gt done` or `bd close <bead>` that did not fail is a success, or what its
                --status says; else unknown
A window without a bead (patrols):
    failure     `session_death` of the actor in the window
    success     `handoff` by the actor, or the last answer is complete: it makes no call
    unknown     the transcript ends within a call
Later parts of a window that nothing ends stay unknown until collected again.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from node0.finetune.corpus.town.events import Event

DONE = {"": "success", "COMPLETED": "success", "ESCALATED": "escalated", "DEFERRED": "deferred"}
GT_DONE = re.compile(r"\bgt done\b(?:[^\n;&|]*?--status[ =](?P<status>\w+))?")


def event_outcome(events: Sequence[Event], *, bead_id: str | None) -> str:
    """What a window's own events tell; empty when they tell nothing."""
    done = [event for event in events if event.type == "done" and event.bead == (bead_id or event.bead)]
    if done:
        return DONE.get(str(done[-1].payload.get("status") or "").upper(), "unknown")
    types = {event.type for event in events}
    if bead_id and "escalation_sent" in types:
        return "escalated"
    if bead_id and any(event.type == "unhook" and event.bead in ("", bead_id) for event in events):
        return "abandoned"
    if "session_death" in types:
        return "failure"
    return "success" if not bead_id and "handoff" in types else ""


def transcript_outcome(
    messages: Sequence[Mapping[str, Any]], answer: Mapping[str, Any], *, bead_id: str | None
) -> str:
    """What a window's own messages and its last answer tell."""
    if bead_id is None:
        return "unknown" if any(block["type"] == "tool_use" for block in answer["content"]) else "success"
    commands = _commands(messages)
    handed_in = [found for command in commands if (found := GT_DONE.search(command))]
    if handed_in:
        return DONE.get((handed_in[-1].group("status") or "").upper(), "unknown")
    closed = re.compile(rf"\bbd close\b[^\n;&|]*{re.escape(bead_id)}(?![\w.-])")
    return "success" if any(closed.search(command) for command in commands) else "unknown"


def _commands(messages: Sequence[Mapping[str, Any]]) -> list[str]:
    """Commands of calls that did not fail."""
    blocks = [block for message in messages for block in message["content"]]
    failed = {
        block["tool_use_id"] for block in blocks if block["type"] == "tool_result" and block.get("is_error")
    }
    calls = (block for block in blocks if block["type"] == "tool_use" and block["id"] not in failed)
    return [str(block["input"].get("command", "")) for block in calls]
