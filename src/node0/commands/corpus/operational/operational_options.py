# SPDX-License-Identifier: Apache-2.0
"""`node0-corpus operational`: what of a town's beads is collected, and where they are read."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node0.commands.common_options import JsonOption, OfRoleOption, TownOption, command_app
from node0.commands.corpus.corpus_arguments import BeadsOption, DenyOption
from node0.commands.corpus.operational.operational_kind import Kind
from node0.commands.lazy import when_called

if TYPE_CHECKING:
    from node0.commands.corpus.operational import collect_beads as work
else:
    work = when_called("node0.commands.corpus.operational.collect_beads")

app = command_app()


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
    role: OfRoleOption = None,
    town: TownOption = None,
    deny: DenyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Collect bead lifecycles, sling outcomes and convoy logs from the town's Dolt server or a backup.

    \b
    Example:
      node0 corpus operational --collect beads
    """
    source = work.BeadSource(town, backup=beads, host=dolt_host, port=dolt_port, user=dolt_user)
    if outcomes:
        work.list_outcomes(source, role=role, deny=deny or (), as_json=as_json)
    else:
        work.collect_beads(source, kind, role=role, logs=logs, deny=deny or (), as_json=as_json)
