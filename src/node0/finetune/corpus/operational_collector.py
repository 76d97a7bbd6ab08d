# SPDX-License-Identifier: Apache-2.0
"""Collect what a town's beads tell: lifecycles, sling outcomes and convoy logs, each as a short conversation.

Entries of this kind are never SFT examples unless a task type selects them; they give sessions their outcome
and quality. Ids depend on bead, worker and time only, so collecting again updates an entry that has changed.
"""

import hashlib
import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path

from node0.errors import NotFound
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.scrubber import CorpusScrubber
from node0.finetune.corpus.store import Added, CorpusStore
from node0.finetune.corpus.town.actors import TOWN_RIG, role_and_rig
from node0.finetune.corpus.town.bead_outcomes import Outcomes, Sling
from node0.finetune.corpus.town.beads import WANTED, Bead, Beads, Change, audit_rows, beads_of
from node0.finetune.corpus.town.timestamps import EARLIEST, timestamp_of
from node0.finetune.role import EVERY_ROLE
from node0.store.beads import read_rows
from node0.town import DoltServer

logger = logging.getLogger(__name__)

LIFECYCLE, SLING, CONVOY = "bead_lifecycle", "sling_outcome", "convoy_log"
CONVOY_ID = re.compile(r"\b[a-z][a-z0-9]*-cv-[a-z0-9]+\b")
LOG_TIME = re.compile(r"^(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)")


class OperationalDataCollector:
    """Collects operational entries into one store. Every method returns them as they were stored, scrubbed.

    Args:
        store: Where entries go; default: the corpus of the town that is found.
        scrubber: Made before anything is read, so that nothing is stored when it cannot run.

    Attributes:
        did: What happened to entries: new, updated, unchanged, retracted.
        skipped: What was left out, by reason.
    """

    def __init__(self, store: CorpusStore | None = None, scrubber: CorpusScrubber | None = None) -> None:
        self._store = store or CorpusStore()
        self._scrubber = scrubber or CorpusScrubber()
        self.did: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()

    def collect_bead_lifecycles(
        self, dolt_host: str, dolt_port: int, role: str | None = None
    ) -> list[CorpusEntry]:
        """The status changes of every bead on a Dolt server.

        Args:
            role: Only beads that this role worked on last.

        Raises:
            DoltUnavailable: the server does not answer.
        """
        return self.lifecycles(Outcomes(read_dolt(DoltServer(dolt_host, dolt_port))), role=role)

    def collect_sling_outcomes(self, dolt_host: str, dolt_port: int) -> list[CorpusEntry]:
        """How each sling on a Dolt server ended.

        Raises:
            DoltUnavailable: the server does not answer.
        """
        return self.sling_outcomes(Outcomes(read_dolt(DoltServer(dolt_host, dolt_port))))

    def collect_convoy_logs(self, logs_dir: Path) -> list[CorpusEntry]:
        """What the log files of a directory say about each convoy.

        Raises:
            NotFound: there is no such directory.
        """
        if not logs_dir.is_dir():
            raise NotFound(f"no directory {logs_dir}: name the town's logs with --logs")
        lines: dict[str, list[str]] = {}
        for path in sorted(logs_dir.glob("*.log")):
            with path.open(encoding="utf-8", errors="replace") as file:
                for line in file:
                    for name in dict.fromkeys(CONVOY_ID.findall(line)):
                        lines.setdefault(name, []).append(line.rstrip())
        return self._keep(_convoy_log(name, told) for name, told in sorted(lines.items()))

    def lifecycles(self, outcomes: Outcomes, *, role: str | None = None) -> list[CorpusEntry]:
        """As `collect_bead_lifecycles`, of beads that were read already."""
        return self._keep(self._lifecycles(outcomes, role))

    def sling_outcomes(self, outcomes: Outcomes, *, role: str | None = None) -> list[CorpusEntry]:
        """As `collect_sling_outcomes`, of beads that were read already."""
        found = [
            sling for slings in outcomes.slings.values() for sling in slings if role in (None, sling.role)
        ]
        self.skipped["sling that has not ended"] += sum(sling.end is None for sling in found)
        return self._keep(_sling_entry(outcomes, sling) for sling in found if sling.end)

    def convoys(self, outcomes: Outcomes) -> list[CorpusEntry]:
        """The beads that each convoy leads, and what became of them."""
        convoys = (bead for bead in outcomes.beads.beads.values() if bead.type == "convoy" and bead.tracks)
        return self._keep(_convoy_entry(outcomes, bead) for bead in convoys)

    def _lifecycles(self, outcomes: Outcomes, role: str | None) -> Iterator[CorpusEntry]:
        for bead in outcomes.beads.beads.values():
            worker = outcomes.worker_of(bead)
            if role not in (None, role_and_rig(worker)[0]):
                continue
            turns = [_told(change) for change in _steps(bead)]
            if turns:
                yield _entry(outcomes, bead, LIFECYCLE, worker, turns)
            else:
                self.skipped["bead without a status change"] += 1

    def _keep(self, entries: Iterable[CorpusEntry]) -> list[CorpusEntry]:
        scrubbed = [self._scrubber.scrub_entry(entry).entry for entry in entries]
        added = self._store.add_all(scrubbed)
        self.did.update(one.value for one in added)
        pairs = zip(scrubbed, added, strict=True)
        return [entry for entry, one in pairs if one is not Added.RETRACTED]


def read_dolt(server: DoltServer, beads_dirs: Iterable[Path] = ()) -> Beads:
    """The beads of a Dolt server, with the records of `bd audit` from a town's `.beads` directories.

    Raises:
        DoltUnavailable: the server does not answer.
        ConfigError: it refuses this user, or it is no server of bd.
    """
    skipped: Counter[str] = Counter()
    return beads_of(chain(read_rows(server, WANTED), audit_rows(beads_dirs, skipped)), skipped)


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


def _sling_entry(outcomes: Outcomes, sling: Sling) -> CorpusEntry:
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


def _convoy_entry(outcomes: Outcomes, convoy: Bead) -> CorpusEntry:
    lines = []
    for name in sorted(convoy.tracks):
        bead = outcomes.beads.beads.get(name)
        lines.append(f"{name}: {outcomes.of[name].outcome}: {bead.title}" if bead else f"{name}: not here")
    return _entry(outcomes, convoy, CONVOY, "", ["\n".join(["Tracked beads:", *lines])])


def _convoy_log(name: str, lines: list[str]) -> CorpusEntry:
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
