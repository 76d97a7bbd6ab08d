# SPDX-License-Identifier: Apache-2.0
"""`node0 breaker`: watch how the sessions of deployed versions end, and stop a version that does badly."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from node0 import console
from node0.commands.common_options import JsonOption, TownOption, command_app
from node0.commands.lazy import when_called

if TYPE_CHECKING:
    from node0.commands.breaker import watch_models as work
else:
    work = when_called("node0.commands.breaker.watch_models")

app = command_app(
    help="Watch how sessions of the versions at work end, and take a version back that does badly.",
    is_group=True,
)

NameArgument = Annotated[str, typer.Argument(metavar="NAME[:VER|@ALIAS]", help="The version.")]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    return console.run(app, argv, name="node0 breaker")


@app.command()
def status(*, town: TownOption = None, as_json: JsonOption = False) -> None:
    """List what is at work, how its sessions ended, and what that says.

    \b
    Example:
      node0 breaker status
    """
    work.show_status(town, as_json=as_json)


@app.command()
def check(*, town: TownOption = None) -> None:
    """Read the outcomes of collected sessions, and stop what does badly; for a timer or after a session.

    \b
    Example:
      node0 breaker check
    """
    work.check(town)


@app.command()
def record(
    name: NameArgument,
    *,
    session: Annotated[str, typer.Option("--session", help="Its id; told again, it replaces the outcome.")],
    outcome: Annotated[Literal["success", "failure"], typer.Option("--outcome", help="How it ended.")],
    at: Annotated[str | None, typer.Option("--at", help="When it began, ISO 8601; default: now.")] = None,
    town: TownOption = None,
) -> None:
    """Tell the outcome of one session of a version; `check` acts on it.

    \b
    Example:
      node0 breaker record deacon:2 --session 8d1f --outcome success
    """
    work.record(name, town, session=session, succeeded=outcome == "success", at=at)


@app.command()
def reset(
    name: NameArgument,
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept in the history.")],
    town: TownOption = None,
) -> None:
    """Let a version that was stopped be deployed again; what it did before does not count any more.

    \b
    Example:
      node0 breaker reset deacon:2 --reason 'the rig was down'
    """
    work.reset(name, town, reason=reason)
