# SPDX-License-Identifier: Apache-2.0
"""`node0-corpus share`: entries for another operator, staged for review, never sent."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node0 import console
from node0.commands.corpus.open_corpus import open_store
from node0.console import JsonOption, TownOption

if TYPE_CHECKING:
    from node0.finetune.corpus.sharing import Staged

app = typer.Typer()
share = typer.Typer(add_completion=False, rich_markup_mode=None)
app.add_typer(share, name="share")

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="What `node0-corpus share` has staged.")]


@share.callback(invoke_without_command=True)
def stage(
    context: typer.Context,
    *,
    role: Annotated[str | None, typer.Option(help="Role whose entries are shared.")] = None,
    output: Annotated[
        Path | None, typer.Option(help="Where to stage them: a directory, or a .jsonl file.")
    ] = None,
    town: TownOption = None,
    as_json: JsonOption = False,
) -> None:
    """Stage a role's entries for another operator, without what tells whose they are; nothing is sent."""
    if context.invoked_subcommand:
        return
    if role is None or output is None:
        raise typer.BadParameter("share needs --role and --output")
    from node0.finetune.corpus.sharing import CorpusSharingExporter

    place, store = open_store(town)
    staged = CorpusSharingExporter(place).stage(store, role, output)
    _tell(staged, as_json=as_json)


@share.command()
def review(file: FileArgument, *, as_json: JsonOption = False) -> None:
    """Show a staged file as a person reads it."""
    from node0.commands.corpus.entry_page import page
    from node0.finetune.corpus.sharing import read_staged

    if as_json:
        console.write(json.dumps([entry.model_dump(mode="json") for entry in read_staged(file)]) + "\n")
        return
    for number, entry in enumerate(read_staged(file), start=1):
        console.write("\n".join((f"=== line {number}", *page(entry), "", "")))


@share.command()
def approve(
    file: FileArgument,
    *,
    reviewer: Annotated[str, typer.Option(help="Who has read it; kept in this town only.")],
    town: TownOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look through a reviewed file once more and record its digest; exit code 3 while a trace is left."""
    from node0.finetune.corpus.sharing import CorpusSharingExporter

    if not reviewer.strip():
        raise typer.BadParameter("--reviewer is empty: say who has read the file")
    place, store = open_store(town)
    approval = CorpusSharingExporter(place).approve(store, file, reviewer=reviewer)
    console.emit([approval._asdict()], as_json=as_json)
    console.note(f"{file} may leave; give its sha256 to whoever receives it")


def _tell(staged: "Staged", *, as_json: bool) -> None:
    facts = {"file": str(staged.path), "entries": staged.entries, "sha256": staged.sha256}
    if as_json:
        counts = {"redacted": dict(staged.redacted), "left_out": dict(staged.left_out)}
        console.write(json.dumps({**facts, **counts}, ensure_ascii=False) + "\n")
    else:
        console.emit([facts], as_json=False)
        for kind, count in sorted(staged.redacted.items()):
            console.note(f"taken out in the second look: {kind}: {count}")
        for reason, count in sorted(staged.left_out.items()):
            console.note(f"left out: {reason}: {count}")
    console.note(
        f"staged, not sent: read it with `node0-corpus share review {staged.path}`, "
        f"then `node0-corpus share approve {staged.path} --reviewer YOU`"
    )
