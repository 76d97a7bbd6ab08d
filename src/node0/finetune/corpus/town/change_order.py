# SPDX-License-Identifier: Apache-2.0
"""Order a bead's changes, also those of one second, by what each found and what it left.

A database keeps whole seconds and ids at random, so time alone does not order what a command does at once.
But a change tells the bead as it was before: the changes of a second are a trail from state to state.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from node0.finetune.corpus.town.beads import Change

MOST = 32
"Changes of one second that are put into a trail; more are left in the order of their rows."

STEPS = 2000
"Looked at for a trail; one that is not found by then is not looked for any further."


class _State(NamedTuple):
    """A bead between two changes."""

    status: str = ""
    "Empty while nothing tells."

    assignee: str | None = None
    "Empty for nobody, None while nothing tells."

    reason: str = ""
    "Of its closing."

    def admits(self, change: Change) -> bool:
        """Whether a change may have been made now."""
        if change.kind == "created":
            return not self.status
        if not change.before:
            return change.kind != "closed" or self.status != "closed"
        same_status = self.status in ("", change.before)
        known = self.assignee is not None and change.assignee_before is not None
        same_assignee = not known or self.assignee == change.assignee_before
        return same_status and same_assignee and (not self.reason or self.reason == change.reason_before)

    def after(self, change: Change) -> "_State":
        """The bead as a change leaves it."""
        status = change.status or change.before or ("open" if change.kind == "created" else self.status)
        had = self.assignee if change.assignee_before is None else change.assignee_before
        assignee = had if change.assignee is None else change.assignee
        return _State(status, assignee, change.reason if change.kind == "closed" else "")


def in_order(changes: Iterable[Change]) -> list[Change]:
    """Changes by time; those of one time each behind the one whose state it found."""
    ordered: list[Change] = []
    state = _State()
    for _, group in groupby(sorted(changes, key=lambda change: change.at), key=lambda change: change.at):
        of_one_time = list(group)
        if 1 < len(of_one_time) <= MOST:
            of_one_time = _Search().trail(of_one_time, state) or of_one_time
        for change in of_one_time:
            state = state.after(change)
        ordered += of_one_time
    return ordered


class _Search:
    """A search of bounded length, depth first."""

    def __init__(self) -> None:
        self._left = STEPS

    def trail(self, changes: Sequence[Change], state: _State) -> list[Change] | None:
        """All of these, each from the state that the one before left; None where no such trail is found."""
        if not changes:
            return []
        for number in sorted(range(len(changes)), key=lambda number: _rank(changes[number])):
            self._left -= 1
            if self._left < 0:
                return None
            change = changes[number]
            if state.admits(change):
                rest = self.trail([*changes[:number], *changes[number + 1 :]], state.after(change))
                if rest is not None:
                    return [change, *rest]
        return None


def _rank(change: Change) -> int:
    """What tells nothing of the state before it may stand anywhere, and is tried last."""
    if change.kind == "created":
        return 0
    return 1 if change.before and not change.status else 2 if change.before else 3
