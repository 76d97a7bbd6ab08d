# SPDX-License-Identifier: Apache-2.0
"""Slings: the times that one worker had one bead, and how each ended.

A sling's outcome is that of the closing that ended it; a bead that was given back is abandoned, one that was
taken from a worker who had begun is a failure.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from node0.finetune.corpus.town.actors import role_and_rig
from node0.finetune.corpus.town.beads import Bead, Change
from node0.finetune.corpus.town.closings import Derived, of_closing


@dataclass(frozen=True)
class Sling:
    """The time that one worker had one bead."""

    bead: str
    worker: str
    by: str
    "Who gave it."

    start: datetime
    end: datetime | None
    result: Derived
    reason: str = ""

    @property
    def role(self) -> str:
        """Of the worker."""
        return role_and_rig(self.worker)[0]


def slings_of(bead: Bead) -> Iterator[Sling]:
    """A worker has a bead from `hooked` (or `in_progress`) until it is closed, given back, or another's.

    A bead that is reopened goes on with the same sling, so that its last closing counts; where nobody closes
    it again, the sling ended by being taken back. A short-lived bead may be closed without an event.
    """
    start: Change | None = None
    worker, begun = "", False
    closing: Change | None = None
    reopening: Change | None = None
    for change in bead.changes:
        begun = begun or (start is not None and change.actor == worker)
        if change.kind == "closed":
            closing, reopening = change, None
        elif change.status in ("hooked", "in_progress"):
            # An answer to a closing goes on with the same work.
            given = change.assignee or worker or (change.actor if change.status == "in_progress" else "")
            if start and given != worker:
                yield _sling(bead, worker, start, closing or reopening or change, begun)
                start = None
            if given and start is None:
                start, worker, begun = change, given, False
            begun = begun or change.status == "in_progress"
            closing = reopening = None
        elif start and change.kind == "reopened" and change.assignee is None:
            closing, reopening = None, change
        elif start and (change.status in ("open", "deferred") or change.assignee == ""):
            taken = change if change.kind == "reopened" else closing or change
            yield _sling(bead, worker, start, taken, begun)
            start, worker, closing, reopening = None, "", None, None
    if start:
        yield _sling(bead, worker, start, closing or reopening or _silent_closing(bead, start), begun)


def _silent_closing(bead: Bead, start: Change) -> Change | None:
    """The closing of a bead that no event tells of: gt's reaper closes wisps in the table itself."""
    if bead.status != "closed" or bead.closed is None or bead.closed < start.at:
        return None
    return Change(bead.closed, "closed", "", status="closed", reason=bead.close_reason)


def _sling(bead: Bead, worker: str, start: Change, end: Change | None, begun: bool) -> Sling:
    if end is None:
        result = Derived("open", f"its status is {bead.status}")
    elif end.kind == "closed":
        replaced = bead.replaced if end is bead.last_closing() else ""
        result = of_closing(end.reason, end.actor, worker, replaced=replaced)
    elif end.status == "deferred":
        result = Derived("deferred", "its status")
    elif end.actor == worker:
        result = Derived("abandoned", "given back by its worker")
    else:
        result = Derived("failure" if begun else "abandoned", "taken back" if begun else "taken back unbegun")
    reason = end.reason if end and end.kind == "closed" else ""
    return Sling(bead.id, worker, start.actor, start.at, end.at if end else None, result, reason)
