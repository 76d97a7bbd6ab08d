# SPDX-License-Identifier: Apache-2.0
"""`node0-corpus retract`: what must not be trained on."""

from pathlib import Path
from typing import Annotated

import typer

from node0 import console
from node0.finetune.corpus.commands import JsonOption, TownOption, open_store

app = typer.Typer()

IdsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[ID]...", help="Ids of entries; see `node0-corpus list`.")
]


@app.command()
def retract(  # noqa: PLR0913  # options of one command
    ids: IdsArgument = None,
    *,
    reason: Annotated[str, typer.Option(help="Kept in the list.")] = "",
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete their files too; no collection writes them again.")
    ] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take the ids off the list.")] = False,
    runs: Annotated[
        bool, typer.Option("--runs", help="Change nothing; list the runs that saw them.")
    ] = False,
    run_dir: Annotated[
        list[Path] | None,
        typer.Option("--run-dir", help="Where else runs lie; default: the town's checkpoints and models."),
    ] = None,
    town: TownOption = None,
    as_json: JsonOption = False,
) -> None:
    """Never train on these entries again. Without ids: the list, or with --runs the runs that saw it."""
    from node0.errors import NotFound
    from node0.finetune.corpus.retract import runs_that_saw

    place, store = open_store(town)
    retracted = store.retracted()
    wanted = ids or sorted(retracted.entries)
    if runs:
        places = [place.checkpoints, place.models, *(run_dir or ())]
        rows = [use._asdict() for use in runs_that_saw(retracted, wanted, places)]
        console.emit(rows, as_json=as_json)
        return
    if undo:
        unknown = [name for name in ids or () if name not in retracted.entries]
        if unknown:
            raise NotFound(f"entry {unknown[0]!r} is not retracted: see `node0-corpus retract`")
        retracted.undo(ids or ())
    elif ids:
        retracted.add([store.get(name) for name in dict.fromkeys(ids)], reason=reason, deleted=delete)
        for name in dict.fromkeys(ids) if delete else ():
            store.delete(name)
    console.emit(
        [{"id": name, **known.model_dump()} for name, known in retracted.entries.items()], as_json=as_json
    )
