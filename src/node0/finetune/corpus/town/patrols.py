# SPDX-License-Identifier: Apache-2.0
"""Tell which session walked a patrol.

A patrol is a short-lived bead that a role hooks to itself, as `gt prime --hook` and `gt patrol report` do.
The session that hooks it may end at once and leave it to the next one, and the next one may find it walked
and only report it. So it is the session's that had it longest, from its start until it was closed.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from node0.finetune.corpus.town.actors import role_and_rig, task_of
from node0.finetune.corpus.town.events import BEADS, Event

ENDINGS = ("handoff", "session_death")
"Events of an actor that end its session."

NEVER = datetime.max.replace(tzinfo=UTC)


def is_patrol(event: Event) -> bool:
    """Whether it tells that a patrol role has taken a bead up by itself."""
    if event.type != "sling" or event.source != BEADS or event.payload.get("target") != event.actor:
        return False
    return task_of(role_and_rig(event.actor)[0]) == "patrol"


def walked_by(starts: Sequence[datetime], events: Sequence[Event]) -> list[list[Event]]:
    """The patrols of each of an actor's sessions.

    Args:
        starts: Of the sessions, rising.
        events: The actor's, in order of time.
    """
    walked: list[list[Event]] = [[] for _ in starts]
    ends = list(_ends(starts, events))
    for event in filter(is_patrol, events):
        holders = list(_holders(event, starts))
        if holders:
            walked[max(holders, key=lambda place: _length(event, starts[place], ends[place]))].append(event)
    return walked


def _holders(event: Event, starts: Sequence[datetime]) -> Iterator[int]:
    """The session that ran when a patrol was hooked, and those that started before it was closed.

    One that is not closed is on the hook of the last of them.
    """
    until = event.payload.get("until") or NEVER
    first, last = (max(0, bisect_right(starts, at) - 1) for at in (event.at, until))
    yield from range(len(starts))[last if until == NEVER else first : last + 1]


def _length(event: Event, start: datetime, end: datetime) -> float:
    """Seconds for which a session had a patrol; negative where it ended before it could."""
    until = event.payload.get("until") or NEVER
    return (min(end, until) - max(start, event.at)).total_seconds()


def _ends(starts: Sequence[datetime], events: Sequence[Event]) -> Iterator[datetime]:
    """When each session ended: with an event that says so, else where the next one starts."""
    endings = [event.at for event in events if event.type in ENDINGS]
    for start, following in zip(starts, [*starts[1:], NEVER], strict=False):
        number = bisect_right(endings, start)
        yield min([*endings[number : number + 1], following])
