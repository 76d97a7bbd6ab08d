# SPDX-License-Identifier: Apache-2.0
"""Derive sessions from a town's events: who worked, when, and on which beads.

A session is a `session_start` {session_id, role, topic, cwd}. It lasts until its actor starts another one.
What a sling hands over is worked on by the session that runs then, or by the one that is started for it just
behind; a patrol, which its walker takes up unasked, by the session that walked it (`patrols`).
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from node0.finetune.corpus.town.actors import TOWN_RIG, role_and_rig, task_of
from node0.finetune.corpus.town.events import BEADS, Event
from node0.finetune.corpus.town.patrols import is_patrol, walked_by
from node0.finetune.corpus.town.timestamps import EARLIEST, timestamp_of
from node0.finetune.corpus.town.windows import Window, windows_of

STARTING = timedelta(minutes=2)
"How long gt may take from a sling until the session that it starts for it tells of itself."


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
        at = timestamp_of(moment)
        number = bisect_right([window.start for window in self.windows], at or EARLIEST)
        return self.windows[max(0, number - 1)]


def sessions_of(events: Sequence[Event]) -> Iterator[Session]:
    """Every session that the events name, with its windows.

    Args:
        events: In order of time.
    """
    for actor, every in _by_actor(events).items():
        own = [event for event in every if not is_patrol(event)]
        firsts = _first_starts(own)
        walked = walked_by([own[number].at for number in firsts], every)
        for place, number in enumerate(firsts):
            # A sling stands just before the session that it starts.
            begin = firsts[place - 1] + 1 if place else 0
            end = firsts[place + 1] if place + 1 < len(firsts) else len(own)
            following = own[end] if end < len(own) else None
            slung = _slings_before(own[begin:number], own[number])
            last = _last_sling(own[number:end], following)
            inside = [*slung, *own[number : number + last], *walked[place]]
            yield _session(own[number], actor, sorted(inside, key=lambda event: event.at))


def _by_actor(events: Iterable[Event]) -> dict[str, list[Event]]:
    """Events by whom they concern: a sling its target, a death its agent."""
    by_actor: dict[str, list[Event]] = {}
    for event in events:
        name = event.actor
        if event.type in ("sling", "session_death"):
            name = str(event.payload.get("target") or event.payload.get("agent") or event.actor)
        by_actor.setdefault(name.strip("/"), []).append(event)
    return by_actor


def _first_starts(events: Sequence[Event]) -> list[int]:
    """One start a session: a resumed session starts again under its old id."""
    firsts: dict[str, int] = {}
    for number, event in enumerate(events):
        name = str(event.payload.get("session_id", ""))
        if event.type == "session_start" and name:
            firsts.setdefault(name, number)
    return list(firsts.values())


def _slings_before(events: Iterable[Event], start: Event) -> list[Event]:
    """The last sling of each source that still lasts when the session starts.

    Only beads tell how long one lasts; one that the town's events tell of is believed while gt may be at it.
    """
    before = (
        event
        for event in events
        if event.type == "sling"
        and (event.lasts(start.at) if event.source == BEADS else start.at - event.at <= STARTING)
    )
    return list({event.source: event for event in before}.values())


def _last_sling(events: Sequence[Event], following: Event | None) -> int:
    """How many of the events are this session's: a last sling may be what starts the following one."""
    number = len(events)
    while (
        following is not None
        and number > 1
        and events[number - 1].type == "sling"
        and events[number - 1].bead == events[-1].bead
        and following.at - events[number - 1].at <= STARTING
    ):
        number -= 1
    return number


def _session(start: Event, actor: str, events: Sequence[Event]) -> Session:
    role, rig = role_and_rig(str(start.payload.get("role") or actor))
    if rig == TOWN_RIG:
        rig = role_and_rig(actor)[1]
    windows = windows_of(start, events, task_type=task_of(role))
    return Session(str(start.payload["session_id"]), role, rig, start.at.isoformat(), windows, actor)
