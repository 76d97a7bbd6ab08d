# SPDX-License-Identifier: Apache-2.0
"""`node0 staleness`: how far the town has moved on since its models were registered."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from node0 import console
from node0.commands.common_options import JsonOption, OfRoleOption, TownOption, command_app
from node0.commands.lazy import when_called

if TYPE_CHECKING:
    from node0.commands.staleness import show_staleness as work
else:
    work = when_called("node0.commands.staleness.show_staleness")

app = command_app()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    return console.run(app, argv, name="node0 staleness")


@app.command()
def staleness(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME[:VER|@ALIAS]", help="Default: the newest version of each model."),
    ] = None,
    *,
    role: OfRoleOption = None,
    town: TownOption = None,
    as_json: JsonOption = False,
) -> int:
    """Compare the town's conventions with those when versions were registered; exit 3 when one is stale.

    Drift goes from 0 (unchanged) to 1 (not one line in common): CLAUDE.md with AGENTS.md and directives,
    formulas, and settings/config.json without what deploying writes. Staleness is their mean, weighted 0.5,
    0.3 and 0.2. A version above the limit (`staleness.limit`, 0.2) is not deployed.

    \b
    Example:
      node0 staleness --role deacon
    """
    return work.show_staleness(names or [], town, role=role, as_json=as_json)
