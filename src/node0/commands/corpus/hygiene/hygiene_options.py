# SPDX-License-Identifier: Apache-2.0
"""`node0-corpus retract`, `duplicates` and `contamination`: what should not be trained on."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node0.commands.common_options import JsonOption, OfRoleOption, TownOption, command_app
from node0.commands.lazy import when_called

if TYPE_CHECKING:
    from node0.commands.corpus.hygiene import find_repeats, retract_entries
else:
    find_repeats = when_called("node0.commands.corpus.hygiene.find_repeats")
    retract_entries = when_called("node0.commands.corpus.hygiene.retract_entries")

app = command_app()

IdsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="ID", help="Ids of entries; see `node0-corpus list`.")
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
    """Never train on these entries again. Without ids: the list, or with --runs the runs that saw it.

    \b
    Example:
      node0 corpus retract 3f2a91c0 --reason 'names a customer'
    """
    if runs:
        retract_entries.list_runs(ids or (), town, run_dirs=run_dir or (), as_json=as_json)
    else:
        change = retract_entries.Retraction(tuple(ids or ()), reason=reason, delete=delete, undo=undo)
        retract_entries.retract_entries(change, town, as_json=as_json)


@app.command()
def duplicates(
    *,
    threshold: Annotated[
        float, typer.Option(min=0.1, max=1.0, help="Lowest similarity; 1 finds exact ones only.")
    ] = 0.8,
    role: OfRoleOption = None,
    town: TownOption = None,
    as_json: JsonOption = False,
) -> None:
    """List entries that repeat an older one, exactly or nearly; `select.drop_duplicates` leaves them out.

    \b
    Example:
      node0 corpus duplicates --role deacon --threshold 0.9
    """
    find_repeats.list_duplicates(town, role=role, threshold=threshold, as_json=as_json)


@app.command()
def contamination(
    *,
    against: Annotated[Path, typer.Option(help="JSON lines of prompts that a model is measured on.")],
    role: OfRoleOption = None,
    town: TownOption = None,
    as_json: JsonOption = False,
) -> int:
    """List entries with 13 words in a row of a prompt; exit code 1 when there are any.

    \b
    Example:
      node0 corpus contamination --against tasks.jsonl
    """
    return find_repeats.list_contaminated(town, role=role, against=against, as_json=as_json)
