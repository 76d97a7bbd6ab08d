# SPDX-License-Identifier: Apache-2.0
"""Fill bead windows from beads: which bead a worker had, its outcome and its quality.

Events say when a worker handed its work in; only the bead says what became of it. For a window with a bead:

    outcome   an ending that events tell of the session itself (failure, escalated, deferred, abandoned);
              else the ending of the sling that the window belongs to, once it is known;
              else what events or the transcript tell
    quality   of the bead
"""

import dataclasses
from collections.abc import Iterator
from datetime import datetime

from node0.finetune.corpus.town.bead_outcomes import Outcomes
from node0.finetune.corpus.town.events import BEADS, Event
from node0.finetune.corpus.town.sessions import Session
from node0.finetune.corpus.town.slings import Sling
from node0.finetune.corpus.town.windows import Window

KNOWN = frozenset({"success", "failure", "abandoned", "deferred"})
CHANGEABLE = frozenset({"", "success", "unknown"})
"Outcomes of events that say less than the bead."


def sling_events(outcomes: Outcomes) -> Iterator[Event]:
    """Every sling as an event of the town, for sessions whose own events are gone."""
    for slings in outcomes.slings.values():
        for sling in slings:
            payload = {"bead": sling.bead, "target": sling.worker, "until": sling.end}
            yield Event(sling.start, "sling", sling.by, payload, BEADS)


def with_beads(session: Session, outcomes: Outcomes) -> Session:
    """The session with what its beads tell."""
    windows = tuple(settled(window, session.actor, outcomes) for window in session.windows)
    return dataclasses.replace(session, windows=windows)


def settled(window: Window, actor: str, outcomes: Outcomes) -> Window:
    """The window with what its bead tells.

    Args:
        actor: Whose it is; where nobody is named, the bead's own outcome counts.
    """
    if window.bead_id not in outcomes.of:
        return window
    slings = outcomes.slings[window.bead_id]
    told = _sling_of(slings, actor, window.start) if actor else None
    result = told.result if told else outcomes.of[window.bead_id]
    known = result.outcome in KNOWN and window.outcome in CHANGEABLE
    return dataclasses.replace(
        window,
        outcome=result.outcome if known else window.outcome,
        quality=outcomes.quality.get(window.bead_id),
    )


def _sling_of(slings: tuple[Sling, ...], actor: str, start: datetime) -> Sling | None:
    """The worker's sling that was on when the window began, else its next one."""
    own = (sling for sling in slings if sling.worker == actor)
    return next((sling for sling in own if sling.end is None or sling.end >= start), None)
