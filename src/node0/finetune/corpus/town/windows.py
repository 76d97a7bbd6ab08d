# SPDX-License-Identifier: Apache-2.0
"""Bead windows: the parts of a session, each spent on one bead.

A window begins with `sling` {bead, target: the actor}, `hook` {bead} by the actor, or a topic
`assigned:<bead>`, and ends where the next one begins. What comes before the first belongs to the first.
Where these tell nothing, the slings that the town's beads tell of do (`bead_windows`). A session without
any is one window without a bead.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from node0.finetune.corpus.town.events import BEADS, TOWN, Event
from node0.finetune.corpus.town.window_outcomes import event_outcome


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


def windows_of(start: Event, events: Sequence[Event], *, task_type: str) -> tuple[Window, ...]:
    """The windows of the session that `start` begins, at least one.

    Args:
        events: The session's own, in order of time.
    """
    begun = _bead_starts(start, events, source=TOWN) or _bead_starts(start, events, source=BEADS)
    if not begun:
        return (Window(start.at, None, task_type, event_outcome(events, bead_id=None)),)
    windows = []
    for number, (at, bead) in enumerate(begun):
        end = begun[number + 1][0] if number + 1 < len(begun) else None
        inside = [event for event in events if event.at >= at and (end is None or event.at <= end)]
        windows.append(Window(at, bead, task_type, event_outcome(inside, bead_id=bead)))
    return tuple(windows)


def _bead_starts(start: Event, events: Iterable[Event], *, source: str) -> list[tuple[datetime, str]]:
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
