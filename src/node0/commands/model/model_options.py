# SPDX-License-Identifier: Apache-2.0
"""`node0 model`: the options of registering models and of looking at them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node0 import console
from node0.commands.common_options import JsonOption, OfRoleOption, TownOption, command_app
from node0.commands.lazy import when_called

if TYPE_CHECKING:
    from node0.commands.model import registered_models as work
else:
    work = when_called("node0.commands.model.registered_models")

app = command_app(
    help="Register models of the town, list them, show one, and check its files.", is_group=True
)

NameArgument = Annotated[str, typer.Argument(metavar="NAME[:VER]", help="The newest version, or that one.")]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    return console.run(app, argv, name="node0 model")


@app.command()
def register(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Run, adapter or model directory.")],
    *,
    name: Annotated[str | None, typer.Option(help="Name of the model; default: its role.")] = None,
    role: Annotated[str | None, typer.Option(help="Role it is for; default: the run's.")] = None,
    in_place: Annotated[bool, typer.Option("--in-place", help="Keep no copy in the town.")] = False,
    town: TownOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep DIR as the next version of NAME."""
    work.register(directory, town, name=name, role=role, in_place=in_place, as_json=as_json)


@app.command("list")
def list_models(*, role: OfRoleOption = None, town: TownOption = None, as_json: JsonOption = False) -> None:
    """List every version, newest first."""
    work.list_models(town, role=role, as_json=as_json)


@app.command()
def show(name: NameArgument, *, town: TownOption = None, as_json: JsonOption = False) -> None:
    """Show one version: its lineage, evaluation, deployment and files."""
    work.show_model(name, town, as_json=as_json)


@app.command()
def verify(name: NameArgument, *, town: TownOption = None, as_json: JsonOption = False) -> int:
    """Compare the files of a version with their recorded digests; exit 1 when one differs."""
    return work.verify(name, town, as_json=as_json)
