# SPDX-License-Identifier: Apache-2.0
"""`node0 job`: the options of listing training runs and of showing one."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from node0 import console
from node0.commands.common_options import JsonOption, TownOption, command_app
from node0.commands.lazy import when_called

if TYPE_CHECKING:
    from node0.commands.job import show_jobs as work
else:
    work = when_called("node0.commands.job.show_jobs")

app = command_app(
    help="List the training runs of the town, and show the states that one went through.", is_group=True
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    return console.run(app, argv, name="node0 job")


@app.command("list")
def list_jobs(
    *,
    state: Annotated[str | None, typer.Option(help="In this state only.")] = None,
    town: TownOption = None,
    as_json: JsonOption = False,
) -> None:
    """List every job, the last one touched first.

    \b
    Example:
      node0 job list --state training
    """
    work.list_jobs(town, state=state, as_json=as_json)


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="JOB", help="Its id, or the bead that asked for it.")],
    *,
    town: TownOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one job and every state that it was in, with time and reason.

    \b
    Example:
      node0 job show gt-123
    """
    work.show_job(name, town, as_json=as_json)
