# SPDX-License-Identifier: Apache-2.0
"""`node0 store`: where a town keeps what it knows of its models."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from node0 import console
from node0.commands.common_options import JsonOption, TownOption, command_app
from node0.commands.lazy import when_called

if TYPE_CHECKING:
    from node0.commands.store import keep_store as work
else:
    work = when_called("node0.commands.store.keep_store")

app = command_app(
    help="Look at the store of a town's models, copy it, and run a Dolt server for it.", is_group=True
)
dolt = command_app(
    help="A Dolt server of our own, on loopback. Never the town's: gt would adopt our database as a rig.",
    is_group=True,
)
app.add_typer(dolt, name="dolt")

PlaceArgument = Annotated[
    str, typer.Argument(metavar="PLACE", help="A file, a URL, `town`, or `dolt` for the town's own server.")
]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    return console.run(app, argv, name="node0 store")


@app.command()
def status(*, town: TownOption = None, as_json: JsonOption = False) -> None:
    """Say where the store is, what it holds, and whether it is at the newest migration.

    \b
    Example:
      node0 store status
    """
    work.status(town, as_json=as_json)


@app.command()
def copy(source: PlaceArgument, target: PlaceArgument, *, town: TownOption = None) -> None:
    """Copy all of one store into another that is empty.

    \b
    Example:
      node0 store copy town dolt
    """
    work.copy(source, target, root=town)


@dolt.command()
def start(
    *,
    program: Annotated[str, typer.Option("--dolt", help="The program, by name on PATH or by path.")] = "dolt",
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Default: the last one, or one that is free.")
    ] = None,
    town: TownOption = None,
) -> None:
    """Start the town's own Dolt server for models, unless it runs.

    \b
    Example:
      node0 store dolt start
    """
    work.start(town, program=program, port=port)


@dolt.command()
def stop(*, town: TownOption = None) -> None:
    """End that server.

    \b
    Example:
      node0 store dolt stop
    """
    work.stop(town)


@dolt.command("status")
def dolt_status(*, town: TownOption = None, as_json: JsonOption = False) -> int:
    """Say whether that server runs, and its last commits; exit 75 when it does not.

    \b
    Example:
      node0 store dolt status
    """
    return work.dolt_status(town, as_json=as_json)
