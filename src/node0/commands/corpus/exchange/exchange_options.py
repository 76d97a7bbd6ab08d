# SPDX-License-Identifier: Apache-2.0
"""`node0-corpus export`, `import` and `artifacts`: what goes out, and what comes from outside sessions."""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from node0 import console
from node0.commands.corpus.open_corpus import DenyOption, RoleOption, make_scrubber, open_store
from node0.console import JsonOption, TownOption
from node0.finetune.corpus.exchange.interchange_turns import Format

app = typer.Typer()


@app.command("export")
def export_entries(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Default: every entry.")] = None,
    *,
    form: Annotated[Format, typer.Option("--format", help="Of the lines.")] = Format.TRL,
    facts: Annotated[
        bool, typer.Option("--facts", help="Add role, outcome, bead and the like under `node0`.")
    ] = False,
    output: Annotated[Path | None, typer.Option(help="File to write; default: standard output.")] = None,
    role: RoleOption = None,
    town: TownOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="The counts as JSON on stdout; needs --output.")
    ] = False,
) -> None:
    """Write entries as JSON lines that other trainers read; quarantined and retracted ones stay."""
    if as_json and output is None:
        raise typer.BadParameter("--json needs --output: the entries themselves are JSON lines")
    from node0.finetune.corpus.exchange.interchange import export_lines

    _, store = open_store(town)
    entries = (store.get(name) for name in ids) if ids else store.entries(role)
    skipped: Counter[str] = Counter()
    retracted = store.retracted().holds
    lines = (
        json.dumps(line, ensure_ascii=False) + "\n"
        for line in export_lines(entries, form, skipped, facts=facts, retracted=retracted)
    )
    if output is None:
        for line in lines:
            console.write(line)
    else:
        written = _write(output, lines)
        if as_json:
            counts = {"file": str(output), "entries": written, "left_out": dict(skipped)}
            console.write(json.dumps(counts, ensure_ascii=False) + "\n")
            return
        console.note(f"{written} entries written to {output}")
    for reason, count in sorted(skipped.items()):
        console.note(f"left out: {reason}: {count}")


def _write(output: Path, lines: Iterable[str]) -> int:
    from node0.files import whole_file

    with whole_file(output, mode=0o644) as file:
        return sum(file.write(line) > 0 for line in lines)


@app.command("import")
def import_entries(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="JSON or JSON lines: OpenAI, TRL, ShareGPT, Alpaca."),
    ],
    *,
    role: Annotated[str | None, typer.Option(help="For examples that name none.")] = None,
    town: TownOption = None,
    deny: DenyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add examples in another trainer's format, scrubbed; the format is seen line by line."""
    from node0.finetune.corpus.exchange.curated import read_curated
    from node0.finetune.corpus.exchange.interchange import entry_fields

    place, store = open_store(town)
    scrubber = make_scrubber(deny or (), town=place)
    # Everything is read before anything is stored, so that a bad file adds nothing.
    entries = [
        scrubber.scrub_entry(entry).entry
        for file in files
        for entry in read_curated(file, role=role, task_type="imported", convert=entry_fields)
    ]
    rows = [{"id": entry.id, "role": entry.role, "did": store.add(entry).value} for entry in entries]
    console.emit(rows, as_json=as_json)


@app.command()
def artifacts(
    *,
    rig_root: Annotated[
        list[Path], typer.Option("--rig-root", help="Root of a rig or a town; may be repeated.")
    ],
    town: TownOption = None,
    deny: DenyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Collect CLAUDE.md, AGENTS.md, formulas, directives, documents and specifications of a root."""
    from node0.finetune.corpus.artifact_collector import CorpusArtifactCollector

    place, store = open_store(town)
    collector = CorpusArtifactCollector(store, make_scrubber(deny or (), town=place))
    entries = [entry for root in rig_root for entry in collector.collect_root(root)]
    rows = [
        {"id": entry.id, "role": entry.role, "rig": entry.rig, "task_type": entry.task_type}
        for entry in entries
    ]
    console.emit(rows, as_json=as_json)
