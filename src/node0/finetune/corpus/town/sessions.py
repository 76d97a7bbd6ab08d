# SPDX-License-Identifier: Apache-2.0
"""From a town's events to its sessions: who worked, on which bead, and how it ended.

Events are lines of `.events.jsonl`: {"ts", "type", "actor", "payload"}. A session is a `session_start`
{session_id, role, topic, cwd}. The session lasts until its actor starts another one.

Bead windows. A window begins with `sling` {bead, target: the actor}, `hook` {bead} by the actor, or a topic
`assigned:<bead>`, and ends where the next one begins. What comes before the first belongs to the first.
Where these tell nothing, the slings that the town's beads tell of do (`bead_windows`). A session without
any is one window without a bead.

Outcome of a window with a bead, the first that applies:
    success     `done` for the bead (status COMPLETED, or none)
    escalated   `done` with status ESCALATED, or `escalation_sent` by the actor in the window
    deferred    `done` with status DEFERRED
    abandoned   `unhook` of the bead by the actor
    failure     `session_death` of the actor in the window
    as the transcript says: a `gt done` or `bd close <bead>` that did not fail is a success, or what its
                --status says; else unknown
Outcome of a window without a bead (patrols):
    failure     `session_death` of the actor in the window
    success     `handoff` by the actor, or the last answer is complete: it makes no call
    unknown     the transcript ends within a call
Later parts of a window that nothing ends stay unknown until collected again.
"""

import json
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from node0.finetune.corpus.lone_surrogates import whole
from node0.finetune.corpus.schema import Role

TOWN, BEADS = "town", "beads"
"Where an event comes from."

TOWN_RIG = "hq"
"The rig of roles that serve the whole town."

DONE = {"": "success", "COMPLETED": "success", "ESCALATED": "escalated", "DEFERRED": "deferred"}
ROLES = frozenset(role.value for role in Role)
TASKS: dict[str, str] = {
    Role.POLECAT: "bead_work",
    Role.CREW: "bead_work",
    Role.MAYOR: "coordination",
    Role.DOG: "maintenance",
    Role.DEACON: "patrol",
    Role.WITNESS: "patrol",
    Role.REFINERY: "patrol",
    Role.BOOT: "patrol",
}
GT_DONE = re.compile(r"\bgt done\b(?:[^\n;&|]*?--status[ =](?P<status>\w+))?")
EARLIEST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Event:
    """One line of `.events.jsonl`."""

    at: datetime
    type: str
    actor: str
    payload: Mapping[str, Any]
    "Its words; other values are left out."

    source: str = TOWN
    "The events file, or the town's beads."

    @property
    def bead(self) -> str:
        """The bead that it names, or an empty string."""
        return str(self.payload.get("bead") or "")

    def lasts(self, moment: datetime) -> bool:
        """Whether what it began goes on at a moment; only beads tell when a sling ended."""
        until = self.payload.get("until")
        return until is None or until > moment


@dataclass(frozen=True)
class Window:
    """The part of a session that is spent on one bead."""

    start: datetime
    bead_id: str | None
    task_type: str
    outcome: str = ""
    "Empty when events do not tell."

    quality: float | None = None
    "How good the work was, from 0 to 1, where somebody has said so."


@dataclass(frozen=True)
class Session:
    """One session of one actor."""

    session_id: str
    role: str
    rig: str
    started: str
    windows: tuple[Window, ...]
    actor: str = ""

    def window_at(self, moment: str) -> Window:
        """The window that holds a moment; the first one holds what came before."""
        at = moment_of(moment)
        number = bisect_right([window.start for window in self.windows], at or EARLIEST)
        return self.windows[max(0, number - 1)]


def read_events(path: Path, skipped: Counter[str]) -> list[Event]:
    """The events of a town in order of time; lines that cannot be read are counted."""
    if not path.is_file():
        return []
    events = []
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            event = event_of(_json(line))
            if event:
                events.append(event)
            elif line.strip():
                skipped["event that cannot be read"] += 1
    return sorted(events, key=lambda event: event.at)


def event_of(value: Any) -> Event | None:
    """The event that a JSON value of the town's file tells; None for anything else."""
    if not isinstance(value, dict):
        return None
    at, payload = moment_of(str(value.get("ts"))), value.get("payload") or {}
    if at is None or "type" not in value or not isinstance(payload, dict):
        return None
    words = {str(key): whole(item) for key, item in payload.items() if isinstance(item, str)}
    return Event(at, str(value["type"]), whole(str(value.get("actor", ""))), words)


def sessions_of(events: Sequence[Event]) -> Iterator[Session]:
    """Every session that the events name, with its windows.

    Args:
        events: In order of time.
    """
    by_actor: dict[str, list[Event]] = {}
    for event in events:
        names = {event.actor}
        if event.type in ("sling", "session_death"):
            names = {str(event.payload.get("target") or event.payload.get("agent") or event.actor)}
        for name in names:
            by_actor.setdefault(name.strip("/"), []).append(event)
    for actor, own in by_actor.items():
        starts = [number for number, event in enumerate(own) if event.type == "session_start"]
        firsts = _first_starts(own, starts)
        for place, number in enumerate(firsts):
            # A sling stands just before the session that it starts.
            begin = firsts[place - 1] + 1 if place else 0
            end = firsts[place + 1] if place + 1 < len(firsts) else len(own)
            before = [
                event for event in own[begin:number] if event.type == "sling" and event.lasts(own[number].at)
            ]
            slung = {event.source: event for event in before}.values()
            last = _last_sling(own[number:end], more=place + 1 < len(firsts))
            yield _session(own[number], actor, [*slung, *own[number : number + last]])


def role_and_rig(actor: str) -> tuple[str, str]:
    """`lantern/polecats/onyx` is a polecat of lantern; `deacon` serves the town."""
    parts = [part for part in actor.strip("/").lower().split("/") if part]
    if not parts:
        return "unknown", TOWN_RIG
    for part in (parts[-1], *parts[-2:-1], parts[0]):
        for word in (part, part.removesuffix("s")):
            if word in ROLES:
                rig = parts[0] if parts[0] not in ROLES and len(parts) > 1 else TOWN_RIG
                return word, rig
    role = re.sub(r"[^a-z0-9_-]", "-", parts[-1]).lstrip("0123456789_-")[:32]
    return role or "unknown", parts[0] if len(parts) > 1 else TOWN_RIG


def task_of(role: str) -> str:
    """What sessions of a role are about."""
    return TASKS.get(role, "session")


def moment_of(text: str) -> datetime | None:
    """An ISO 8601 time, in UTC; None for anything else."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def outcome_of(
    messages: Sequence[Mapping[str, Any]], answer: Mapping[str, Any], *, bead_id: str | None
) -> str:
    """How a window ended, from its own messages and its last answer."""
    blocks = [block for message in messages for block in message["content"]]
    failed = {
        block["tool_use_id"] for block in blocks if block["type"] == "tool_result" and block.get("is_error")
    }
    calls = [block for block in blocks if block["type"] == "tool_use" and block["id"] not in failed]
    commands = [str(block["input"].get("command", "")) for block in calls]
    if bead_id is None:
        return "unknown" if any(block["type"] == "tool_use" for block in answer["content"]) else "success"
    handed_in = [found for command in commands if (found := GT_DONE.search(command))]
    if handed_in:
        return DONE.get((handed_in[-1].group("status") or "").upper(), "unknown")
    closed = re.compile(rf"\bbd close\b[^\n;&|]*{re.escape(bead_id)}(?![\w.-])")
    return "success" if any(closed.search(command) for command in commands) else "unknown"


def _json(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _first_starts(events: Sequence[Event], starts: Sequence[int]) -> list[int]:
    """One start a session: a resumed session starts again under its old id."""
    seen: set[str] = set()
    firsts = []
    for number in starts:
        name = str(events[number].payload.get("session_id", ""))
        if name and name not in seen:
            firsts.append(number)
            seen.add(name)
    return firsts


def _last_sling(events: Sequence[Event], *, more: bool) -> int:
    """How many of the events are this session's; a last sling may already be for the next session."""
    number = len(events)
    while (
        more
        and number > 1
        and events[number - 1].type == "sling"
        and events[number - 1].bead == events[-1].bead
    ):
        number -= 1
    return number


def _session(start: Event, actor: str, events: Sequence[Event]) -> Session:
    role, rig = role_and_rig(str(start.payload.get("role") or actor))
    if rig == TOWN_RIG:
        rig = role_and_rig(actor)[1]
    task = task_of(role)
    session_id = str(start.payload["session_id"])
    begun = _bead_starts(start, events)
    if not begun:
        begun = _bead_starts(start, events, source=BEADS)
    windows = []
    for number, (at, bead) in enumerate(begun):
        end = begun[number + 1][0] if number + 1 < len(begun) else None
        inside = [event for event in events if event.at >= at and (end is None or event.at <= end)]
        windows.append(Window(at, bead, task, _event_outcome(bead, actor, inside)))
    if not windows:
        windows = [Window(start.at, None, task, _event_outcome(None, actor, events))]
    return Session(session_id, role, rig, start.at.isoformat(), tuple(windows), actor)


def _bead_starts(start: Event, events: Iterable[Event], *, source: str = TOWN) -> list[tuple[datetime, str]]:
    found: list[tuple[datetime, str]] = []
    topic = str(start.payload.get("topic", ""))
    if topic.startswith("assigned:"):
        found.append((start.at, topic.removeprefix("assigned:").strip()))
    found += [
        (event.at, event.bead)
        for event in events
        if event.type in ("sling", "hook") and event.bead and event.source == source
    ]
    starts: list[tuple[datetime, str]] = []
    for at, bead in sorted(found, key=lambda item: item[0]):
        if not starts or starts[-1][1] != bead:
            starts.append((at, bead))
    return starts


def _event_outcome(bead: str | None, actor: str, events: Sequence[Event]) -> str:
    done = [event for event in events if event.type == "done" and event.bead == (bead or event.bead)]
    if done:
        return DONE.get(str(done[-1].payload.get("status") or "").upper(), "unknown")
    types = {event.type for event in events}
    if bead and "escalation_sent" in types:
        return "escalated"
    if bead and any(event.type == "unhook" and event.bead in ("", bead) for event in events):
        return "abandoned"
    if "session_death" in types:
        return "failure"
    return "success" if not bead and "handoff" in types else ""
