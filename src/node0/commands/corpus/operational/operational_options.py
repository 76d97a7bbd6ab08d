# SPDX-License-Identifier: Apache-2.0
"""`node0-corpus operational`: what a town's beads tell, and how each of them ended."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node0 import console
from node0.commands.corpus.open_corpus import (
    BeadsOption,
    DenyOption,
    RoleOption,
    make_scrubber,
    open_store,
    read_beads,
)
from node0.console import JsonOption, TownOption

if TYPE_CHECKING:
    from node0.finetune.corpus.operational_collector import OperationalDataCollector
    from node0.finetune.corpus.town.bead_outcomes import Outcomes

app = typer.Typer()


class Kind(StrEnum):
    """What to collect."""

    BEADS = "beads"
    SLINGS = "slings"
    CONVOYS = "convoys"
    ALL = "all"


@app.command()
def operational(  # noqa: PLR0913  # options of one command
    *,
    kind: Annotated[Kind, typer.Option("--collect", help="What to collect.")] = Kind.ALL,
    outcomes: Annotated[
        bool, typer.Option("--outcomes", help="Show how every bead ended, and why; nothing is stored.")
    ] = False,
    beads: BeadsOption = None,
    logs: Annotated[
        Path | None, typer.Option(help="Log files that name convoys; default: the town's.")
    ] = None,
    dolt_host: Annotated[str | None, typer.Option(help="Default: as the town's server was started.")] = None,
    dolt_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Default: likewise, or 3307.")
    ] = None,
    dolt_user: Annotated[str | None, typer.Option(help="Default: likewise, or root.")] = None,
    role: RoleOption = None,
    town: TownOption = None,
    deny: DenyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Collect bead lifecycles, sling outcomes and convoy logs from the town's Dolt server or a backup."""
    from node0.finetune.corpus.operational_collector import OperationalDataCollector

    place, store = open_store(town)
    server = place.dolt_server(host=dolt_host, port=dolt_port, user=dolt_user)
    if outcomes:
        found = read_beads(place, beads, server)
        console.emit(_table(found, role), as_json=as_json)
        _note(found)
        return
    collector = OperationalDataCollector(store, make_scrubber(deny or (), town=place))
    found = read_beads(place, beads, server)
    rows = _collect(collector, found, kind, role)
    logs = logs or (place.log_dir if place.log_dir.is_dir() else None)
    if logs and kind in (Kind.CONVOYS, Kind.ALL):
        rows["convoy logs"] = len(collector.collect_convoy_logs(logs))
    skipped = found.beads.skipped + collector.skipped
    table = [{"what": "collected", "which": which, "count": count} for which, count in rows.items()]
    for what, counts in {"entries": collector.did, "skipped": +skipped}.items():
        table += [{"what": what, "which": which, "count": counts[which]} for which in sorted(counts)]
    console.emit(table, as_json=as_json)
    _note(found)


def _collect(
    collector: "OperationalDataCollector", found: "Outcomes", kind: Kind, role: str | None
) -> dict[str, int]:
    rows = {}
    if kind in (Kind.BEADS, Kind.ALL):
        rows["bead lifecycles"] = len(collector.lifecycles(found, role=role))
    if kind in (Kind.SLINGS, Kind.ALL):
        rows["sling outcomes"] = len(collector.sling_outcomes(found, role=role))
    if kind in (Kind.CONVOYS, Kind.ALL):
        rows["convoys"] = len(collector.convoys(found))
    return rows


def _table(found: "Outcomes", role: str | None) -> list[dict[str, object]]:
    from node0.finetune.corpus.town.actors import role_and_rig

    return [
        {
            "bead": name,
            "type": bead.type,
            "status": bead.status,
            "outcome": found.of[name].outcome,
            "because": found.of[name].rule,
            "slings": len(found.slings[name]),
            "quality": found.quality.get(name),
            "reason": " ".join(bead.close_reason.split()),
            "title": bead.title,
        }
        for name, bead in sorted(found.beads.beads.items())
        if role in (None, role_and_rig(found.worker_of(bead))[0])
    ]


def _note(found: "Outcomes") -> None:
    beads = found.beads
    console.note(f"{len(beads.beads)} beads and {beads.events} events read")
    if beads.clock:
        console.note(
            f"events are stamped in a time zone of their own; {beads.clock} was added to their times"
        )
