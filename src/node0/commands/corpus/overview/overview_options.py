# SPDX-License-Identifier: Apache-2.0
"""`node0-corpus stats`, `validate` and `watch`: the corpus as a whole."""

import json
import time
from typing import TYPE_CHECKING, Annotated

import typer

from node0 import console
from node0.commands.corpus.open_corpus import RoleOption, open_store
from node0.console import JsonOption, TownOption

if TYPE_CHECKING:
    from node0.finetune.corpus.collect.arrivals import Arrival

app = typer.Typer()

BAR = 40


@app.command()
def stats(*, role: RoleOption = None, town: TownOption = None, as_json: JsonOption = False) -> None:
    """Count entries and estimated tokens by role, source, task type and outcome; a histogram of lengths."""
    from node0.finetune.corpus.quality.statistics import groups, histogram
    from node0.finetune.corpus.store import hash_of

    _, store = open_store(town)
    headers = store.headers(role)
    retracted = store.retracted().entries.keys()
    rows, bars = groups(headers, retracted), histogram(headers)
    totals = {
        "entries": len(headers),
        "tokens": sum(header.tokens for header in headers),
        "bytes": sum(header.bytes for header in headers),
        "corpus_hash": hash_of(headers),
    }
    if as_json:
        console.write(json.dumps({**totals, "groups": rows, "histogram": bars}, ensure_ascii=False) + "\n")
        return
    console.emit(rows, as_json=False)
    if bars:
        most = max(bar["entries"] for bar in bars)
        drawn = [{**bar, "": "█" * -(-bar["entries"] * BAR // most)} for bar in bars]
        console.emit(drawn, as_json=False, title="Estimated tokens of an entry")
    console.note("{entries} entries, about {tokens} tokens, corpus hash {corpus_hash}".format(**totals))


@app.command()
def validate(*, role: RoleOption = None, town: TownOption = None, as_json: JsonOption = False) -> int:
    """Read every entry whole: digest, turns, recorded calls; exit code 1 when one is wrong."""
    from node0.finetune.corpus.quality.entry_validation import problems_in

    _, store = open_store(town)
    paths = store.paths(role)
    found = [
        {"file": path.relative_to(store.root).as_posix(), "problem": problem}
        for path in paths
        for problem in problems_in(path)
    ]
    console.emit(found, as_json=as_json)
    console.note(f"{len(paths)} entries read, {len(found)} problems")
    return console.FAILED if found else 0


@app.command()
def watch(
    *,
    role: RoleOption = None,
    interval: Annotated[float, typer.Option(min=0.05, help="Seconds between looks.")] = 2.0,
    town: TownOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, as it comes.")] = False,
) -> None:
    """Show entries as they arrive, until Ctrl-C (exit code 130)."""
    from node0.finetune.corpus.collect.arrivals import arrivals

    _, store = open_store(town)
    console.note(f"watching {store.root}, {len(store.paths(role))} entries so far; Ctrl-C ends")
    for arrival in arrivals(store, role, wait=lambda: time.sleep(interval)):
        console.write((_json_line if as_json else _line)(arrival) + "\n")


def _json_line(arrival: "Arrival") -> str:
    return json.dumps({"did": arrival.did.value, **arrival.header.model_dump()}, ensure_ascii=False)


def _line(arrival: "Arrival") -> str:
    header = arrival.header
    facts = (arrival.did.value, header.id, header.role, header.rig, header.task_type, header.outcome)
    waits = "  waits in quarantine" if header.quarantined else ""
    return f"{time.strftime('%H:%M:%S')}  {'  '.join(facts)}  {header.tokens} tokens{waits}"
