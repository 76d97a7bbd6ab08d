# SPDX-License-Identifier: Apache-2.0
"""`node0 town canary`: try a version on a share of a role's sessions before it gets all of them."""

from typing import TYPE_CHECKING, Annotated

import typer

from node0.commands.common_options import JsonOption, TownOption, command_app
from node0.commands.lazy import when_called

if TYPE_CHECKING:
    from node0.commands.town import run_canary
else:
    run_canary = when_called("node0.commands.town.run_canary")

app = command_app(
    help="Try a version on a share of a role's sessions; it is promoted or taken back by how they end.",
    is_group=True,
)

RoleOption = Annotated[str, typer.Option("--role", help="Whose canary.")]


@app.command()
def start(
    name: Annotated[str, typer.Argument(metavar="NAME[:VER|@ALIAS]", help="The version to try.")],
    *,
    share: Annotated[
        float | None,
        typer.Option(min=0.01, max=0.5, help="Share of new sessions; default: canary.share, 0.2."),
    ] = None,
    rig: Annotated[list[str] | None, typer.Option("--rig", help="This rig only. Repeatable.")] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept in the history.")] = "",
    town: TownOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a version answer a share of new sessions of its role, beside the one at work, through the gate.

    A session has one version from beginning to end; those that run already keep theirs. node0 serve must run
    and have the model. Exits with 3 where the gate refuses.

    \b
    Example:
      node0 town canary start deacon:3 --share 0.1
    """
    run_canary.start(town, name, rigs=rig or (), share=share, reason=reason, as_json=as_json)


@app.command()
def status(*, town: TownOption = None, as_json: JsonOption = False) -> None:
    """Show every canary, how its sessions ended so far, and what became of it.

    \b
    Example:
      node0 town canary status
    """
    run_canary.show(town, as_json=as_json)


@app.command()
def check(*, town: TownOption = None, as_json: JsonOption = False) -> int:
    """Decide canaries by the sessions that are collected: promote, take back, or go on; for a timer.

    Finishes what a process left that died. Exits with 1 where one could not be decided now.

    \b
    Example:
      node0 town canary check
    """
    return run_canary.check(town, as_json=as_json)


@app.command()
def stop(
    *,
    role: RoleOption,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept in the history.")],
    town: TownOption = None,
) -> None:
    """Take the candidate of a role back; the version at work answers every session again.

    \b
    Example:
      node0 town canary stop --role deacon --reason 'the rig moves'
    """
    run_canary.stop(town, role=role, reason=reason)
