# SPDX-License-Identifier: Apache-2.0
"""Show the entries of a corpus as they arrive."""

import json
import time
from pathlib import Path

from node0 import console
from node0.commands.corpus.open_corpus import open_store
from node0.finetune.corpus.collect.arrivals import Arrival, arrivals


def watch_entries(town: Path | None, *, role: str | None, interval: float, as_json: bool) -> None:
    """Print a line for each entry that is written, until Ctrl-C.

    interval: seconds between looks.
    """
    _, store = open_store(town, role)
    console.note(f"watching {store.root}, {len(store.paths(role))} entries so far; Ctrl-C ends")
    for arrival in arrivals(store, role, wait=lambda: time.sleep(interval)):
        console.write(_json_line(arrival)) if as_json else console.show(_line(arrival))


def _json_line(arrival: Arrival) -> str:
    return json.dumps({"did": arrival.did.value, **arrival.header.model_dump()}, ensure_ascii=False) + "\n"


def _line(arrival: Arrival) -> str:
    header = arrival.header
    facts = (arrival.did.value, header.id, header.role, header.rig, header.task_type, header.outcome)
    waits = "  waits in quarantine" if header.quarantined else ""
    return f"{time.strftime('%H:%M:%S')}  {'  '.join(facts)}  {header.tokens} tokens{waits}\n"
