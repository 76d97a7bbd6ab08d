# SPDX-License-Identifier: Apache-2.0
"""`node0-corpus retract`, `duplicates` and `contamination`: what should not be trained on."""

from pathlib import Path
from typing import Annotated

import typer

from node0 import console
from node0.commands.corpus.open_corpus import RoleOption, open_store
from node0.console import JsonOption, TownOption

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
    from node0.finetune.corpus.retract_list import runs_that_saw

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


@app.command()
def duplicates(
    *,
    threshold: Annotated[
        float, typer.Option(min=0.1, max=1.0, help="Lowest similarity; 1 finds exact ones only.")
    ] = 0.8,
    role: RoleOption = None,
    town: TownOption = None,
    as_json: JsonOption = False,
) -> None:
    """List entries that repeat an older one, exactly or nearly; `select.drop_duplicates` leaves them out."""
    from node0.finetune.corpus.quality.near_duplicates import duplicates as find_duplicates

    _, store = open_store(town)
    found = find_duplicates(store.entries(role), threshold=threshold)
    console.emit([repeat._asdict() for repeat in found], as_json=as_json)
    exact = sum(repeat.exact for repeat in found)
    console.note(f"{exact} exact and {len(found) - exact} near duplicates")


@app.command()
def contamination(
    *,
    against: Annotated[Path, typer.Option(help="JSON lines of prompts that a model is measured on.")],
    role: RoleOption = None,
    town: TownOption = None,
    as_json: JsonOption = False,
) -> int:
    """List entries with 13 words in a row of a prompt; exit code 1 when there are any."""
    from node0.finetune.corpus.quality.contamination import Prompts

    _, store = open_store(town)
    prompts = Prompts(against)
    found = [overlap for entry in store.entries(role) for overlap in prompts.overlaps(entry)]
    console.emit([overlap._asdict() for overlap in found], as_json=as_json)
    entries = len({overlap.id for overlap in found})
    console.note(
        f"{entries} entries hold one of {len(prompts)} prompts; {prompts.too_short} prompts are too short"
    )
    return console.FAILED if found else 0
