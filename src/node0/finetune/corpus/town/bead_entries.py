# SPDX-License-Identifier: Apache-2.0
"""Operational entries: what beads and logs tell, each as a short conversation.

Ids depend on bead, worker and time only, so an entry that has changed updates the one before it. All are
unscrubbed.
"""

import hashlib
import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.town.actors import TOWN_RIG, role_and_rig
from node0.finetune.corpus.town.bead_outcomes import Outcomes
from node0.finetune.corpus.town.beads import Bead, Change
from node0.finetune.corpus.town.slings import Sling
from node0.finetune.corpus.town.timestamps import EARLIEST, timestamp_of
from node0.finetune.role import EVERY_ROLE

LIFECYCLE, SLING, CONVOY = "bead_lifecycle", "sling_outcome", "convoy_log"
LOG_TIME = re.compile(r"^(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)")


def lifecycle_entry(outcomes: Outcomes, bead: Bead, worker: str) -> CorpusEntry | None:
    """The status changes of a bead, each as one turn; None where there are none."""
    turns = [_told(step) for step in _steps(bead)]
    return _entry(outcomes, bead, LIFECYCLE, worker, turns) if turns else None


def sling_entry(outcomes: Outcomes, sling: Sling) -> CorpusEntry:
    """To whom a bead was slung, and how that ended."""
    bead = outcomes.beads.beads[sling.bead]
    took = _span((sling.end or sling.start) - sling.start)
    given = f"Slung to {sling.worker} ({sling.role}) at {_clock(sling.start)} by {sling.by}."
    facts = [f"Outcome: {sling.result.outcome} after {took} ({sling.result.rule})."]
    facts += [f"Error: {sling.result.rule}."] if sling.result.outcome == "failure" else []
    facts += [f"Reason: {sling.reason}"] if sling.reason else []
    entry = _entry(outcomes, bead, SLING, sling.worker, ["\n".join(facts)])
    asked = {"role": "user", "content": given}
    return entry.model_copy(
        update={
            "id": _name(SLING, bead.id, sling.worker, sling.start.isoformat()),
            "outcome": sling.result.outcome,
            "created_at": sling.start.isoformat(),
            "messages": [entry.messages[0], asked, entry.messages[1]],
        }
    )


def convoy_entry(outcomes: Outcomes, convoy: Bead) -> CorpusEntry:
    """The beads that a convoy leads, and what became of them."""
    lines = []
    for name in sorted(convoy.tracks):
        bead = outcomes.beads.beads.get(name)
        lines.append(f"{name}: {outcomes.of[name].outcome}: {bead.title}" if bead else f"{name}: not here")
    return _entry(outcomes, convoy, CONVOY, "", ["\n".join(["Tracked beads:", *lines])])


def convoy_log_entry(name: str, lines: list[str]) -> CorpusEntry:
    """What log files say about a convoy.

    Args:
        lines: At least one, in order.
    """
    stamp = LOG_TIME.match(lines[0])
    first = timestamp_of(stamp.group(1)) if stamp else None
    turns = [
        {"role": "system", "content": f"Convoy: {name}"},
        {"role": "assistant", "content": "\n".join(lines)},
    ]
    return CorpusEntry(
        id=_name(CONVOY, "log", name),
        role=EVERY_ROLE,
        rig=TOWN_RIG,
        task_type=CONVOY,
        outcome="collected",
        created_at=(first or EARLIEST).isoformat(),
        messages=turns,
        bead_id=name,
        source="operational",
    )


def _steps(bead: Bead) -> Iterator[tuple[Change, str]]:
    """The changes that changed the status or the worker, each with the status before it."""
    status, worker = "open", ""
    for change in bead.changes:
        before = change.before or status
        after = change.status or before
        now = worker if change.assignee is None else change.assignee
        if after != before or (now != worker and now):
            yield change, before
        status, worker = after, now


def _told(step: tuple[Change, str]) -> str:
    change, before = step
    who = f", assigned to {change.assignee}" if change.assignee else ""
    why = f": {change.reason}" if change.reason else ""
    moved = f"{before} → {change.status or before}"
    return f"Status changed: {moved} at {_clock(change.at)} by {change.actor}{who}{why}"


def _entry(outcomes: Outcomes, bead: Bead, task: str, worker: str, turns: list[str]) -> CorpusEntry:
    head = f"Bead: {bead.title}\nId: {bead.id}\nType: {bead.type}"
    return CorpusEntry(
        id=_name(task, bead.id),
        role=_role(worker),
        rig=_rig(bead, worker),
        task_type=task,
        outcome=outcomes.of[bead.id].outcome,
        created_at=(bead.created or EARLIEST).isoformat(),
        messages=[
            {"role": "system", "content": head},
            *({"role": "assistant", "content": one} for one in turns),
        ],
        bead_id=bead.id,
        source="operational",
        quality=outcomes.quality.get(bead.id),
    )


def _role(worker: str) -> str:
    return role_and_rig(worker)[0] if worker else EVERY_ROLE


def _rig(bead: Bead, worker: str) -> str:
    named = (role_and_rig(name)[1] for name in (worker, bead.created_by))
    return next((rig for rig in named if rig != TOWN_RIG), bead.database or TOWN_RIG)


def _name(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _clock(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def _span(length: timedelta) -> str:
    minutes = int(length.total_seconds()) // 60
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
