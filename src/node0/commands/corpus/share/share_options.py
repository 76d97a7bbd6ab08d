# SPDX-License-Identifier: Apache-2.0
"""`node0-corpus share`: entries for another operator, staged for review, never sent."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node0.commands.common_options import JsonOption, TownOption, command_app
from node0.commands.lazy import when_called

if TYPE_CHECKING:
    from node0.commands.corpus.share import share_entries as work
else:
    work = when_called("node0.commands.corpus.share.share_entries")

app = command_app()
share = command_app()
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
    """Stage a role's entries for another operator, without what tells whose they are; nothing is sent.

    \b
    Example:
      node0 corpus share --role deacon --output ~/staging
    """
    if context.invoked_subcommand:
        return
    if role is None or output is None:
        raise typer.BadParameter("share needs --role and --output")
    work.stage(role, output, town, as_json=as_json)


@share.command()
def review(file: FileArgument, *, as_json: JsonOption = False) -> None:
    """Show a staged file as a person reads it, and before it what is left in it of names, ids and paths.

    \b
    Example:
      node0 corpus share review ~/staging/deacon.jsonl
    """
    work.print_staged(file, as_json=as_json)


@share.command()
def approve(
    file: FileArgument,
    *,
    reviewer: Annotated[str, typer.Option(help="Who has read it; kept in this town only.")],
    town: TownOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look through a reviewed file once more and record its digest; exit code 3 while a trace is left.

    \b
    Example:
      node0 corpus share approve ~/staging/deacon.jsonl --reviewer mayor
    """
    if not reviewer.strip():
        raise typer.BadParameter("--reviewer is empty: say who has read the file")
    work.approve(file, town, reviewer=reviewer, as_json=as_json)
