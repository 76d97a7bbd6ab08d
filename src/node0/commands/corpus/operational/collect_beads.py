# SPDX-License-Identifier: Apache-2.0
"""Collect entries from a town's beads, and list how each bead ended."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from node0 import console
from node0.commands.corpus.open_beads import read_beads
from node0.commands.corpus.open_corpus import open_store
from node0.commands.corpus.open_scrubber import make_scrubber
from node0.commands.corpus.operational.operational_kind import Kind
from node0.finetune.corpus.collect.look_again import look_again
from node0.finetune.corpus.operational_collector import OperationalDataCollector
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.corpus.town.actors import role_and_rig
from node0.finetune.corpus.town.bead_outcomes import Outcomes
from node0.town import DoltServer, Town


@dataclass(frozen=True, slots=True)
class BeadSource:
    """Where a town's beads are read."""

    town: Path | None
    backup: Path | None = None
    "None asks the town's server."

    host: str | None = None
    port: int | None = None
    user: str | None = None
    "None of these three asks the server as it was started."

    def open(self, role: str | None) -> tuple[Town, CorpusStore, DoltServer]:
        """The town, which has the role, its corpus, and the server of its beads."""
        place, store = open_store(self.town, role)
        return place, store, place.dolt_server(host=self.host, port=self.port, user=self.user)


def list_outcomes(source: BeadSource, *, role: str | None, deny: Sequence[str] = (), as_json: bool) -> None:
    """Print how every bead ended, and why, without secrets and persons; nothing is stored."""
    town, _, server = source.open(role)
    scrubber = make_scrubber(deny, town=town)
    found = read_beads(town, source.backup, server)
    console.emit(_table(found, role, scrubber.cleaned), as_json=as_json)
    _note(found)


def collect_beads(
    source: BeadSource, kind: Kind, *, role: str | None, logs: Path | None, deny: Sequence[str], as_json: bool
) -> None:
    """Collect entries of one kind, or of all, and print how many there are.

    logs: files that name convoys; None takes the town's.
    """
    town, store, server = source.open(role)
    scrubber = make_scrubber(deny, town=town)
    collector = OperationalDataCollector(store, scrubber)
    found = read_beads(town, source.backup, server)
    rows = _collect(collector, found, kind, role)
    logs = logs or (town.log_dir if town.log_dir.is_dir() else None)
    if logs and kind in (Kind.CONVOYS, Kind.ALL):
        rows["convoy logs"] = len(collector.collect_convoy_logs(logs))
    look_again(store, scrubber)
    skipped = found.beads.skipped + collector.skipped
    table = [{"what": "collected", "which": which, "count": count} for which, count in rows.items()]
    for what, counts in {"entries": collector.did, "skipped": +skipped}.items():
        table += [{"what": what, "which": which, "count": counts[which]} for which in sorted(counts)]
    console.emit(table, as_json=as_json)
    _note(found)


def _collect(
    collector: OperationalDataCollector, found: Outcomes, kind: Kind, role: str | None
) -> dict[str, int]:
    rows = {}
    if kind in (Kind.BEADS, Kind.ALL):
        rows["bead lifecycles"] = len(collector.lifecycles(found, role=role))
    if kind in (Kind.SLINGS, Kind.ALL):
        rows["sling outcomes"] = len(collector.sling_outcomes(found, role=role))
    if kind in (Kind.CONVOYS, Kind.ALL):
        rows["convoys"] = len(collector.convoys(found))
    return rows


def _table(found: Outcomes, role: str | None, cleaned: Callable[[str], str]) -> list[dict[str, object]]:
    return [
        {
            "bead": name,
            "type": bead.type,
            "status": bead.status,
            "outcome": found.of[name].outcome,
            "because": found.of[name].rule,
            "slings": len(found.slings[name]),
            "quality": found.quality.get(name),
            "reason": cleaned(" ".join(bead.close_reason.split())),
            "title": cleaned(bead.title),
        }
        for name, bead in sorted(found.beads.beads.items())
        if role in (None, role_and_rig(found.worker_of(bead))[0])
    ]


def _note(found: Outcomes) -> None:
    beads = found.beads
    console.note(f"{len(beads.beads)} beads and {beads.events} events read")
    if beads.clock:
        console.note(
            f"events are stamped in a time zone of their own; {beads.clock} was added to their times"
        )
