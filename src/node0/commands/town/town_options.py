# SPDX-License-Identifier: Apache-2.0
"""`node0 town`: look at a Gas Town, install beside it, take that out again."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from node0 import console
from node0.commands.common_options import JsonOption, TownOption, command_app
from node0.commands.lazy import when_called
from node0.commands.town import canary_options

if TYPE_CHECKING:
    from node0.commands.town import change_town, roll_out, run_nightly, show_town, town_savings
else:
    change_town = when_called("node0.commands.town.change_town")
    roll_out = when_called("node0.commands.town.roll_out")
    run_nightly = when_called("node0.commands.town.run_nightly")
    show_town = when_called("node0.commands.town.show_town")
    town_savings = when_called("node0.commands.town.town_savings")

app = command_app(
    help="Look at a Gas Town, install what collects its sessions, and take that out again.", is_group=True
)
app.add_typer(canary_options.app, name="canary")

DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Print the changes as a diff, make none.")]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    return console.run(app, argv, name="node0 town")


@app.command()
def status(
    *,
    fix: Annotated[
        bool,
        typer.Option("--fix", help="First write again what was installed or deployed and does not stand."),
    ] = False,
    town: TownOption = None,
    as_json: JsonOption = False,
) -> int:
    """Say what was found: town, rigs, roles, agents, Dolt, collecting, models, drift, and what to do next.

    Changes nothing without --fix. Exits with 0 when nothing is wrong, else with 1.

    \b
    Example:
      node0 town status
    """
    if fix:
        change_town.mend(town)
    return show_town.show_status(town, as_json=as_json)


@app.command()
def doctor(*, as_json: JsonOption = False) -> int:
    """Look at gt, bd, Dolt, tmux and the harnesses: whether they are there and work with each other.

    Changes nothing. Exits with 0 when nothing is wrong, else with 1.

    \b
    Example:
      node0 town doctor
    """
    return show_town.show_programs(as_json=as_json)


@app.command()
def install(  # noqa: PLR0913  # one parameter a flag
    *,
    base_model: Annotated[
        str | None,
        typer.Option("--base-model", help="Directory or hub id of the base of the town's models."),
    ] = None,
    role: Annotated[
        list[str] | None, typer.Option("--role", help="Role that is to get a model. Repeatable.")
    ] = None,
    claude_hook: Annotated[
        bool | None,
        typer.Option(
            "--claude-hook/--no-claude-hook",
            help="Also a SessionEnd hook in your own settings of Claude Code; default: none.",
        ),
    ] = None,
    claude_trust: Annotated[
        bool | None,
        typer.Option(
            "--claude-trust/--no-claude-trust",
            help="Tell Claude Code that the town's directories are trusted, so that gt can start it unasked; "
            "default: told the first time.",
        ),
    ] = None,
    timer: Annotated[
        bool | None,
        typer.Option("--timer/--no-timer", help="A systemd timer of yours that collects; default: one."),
    ] = None,
    prime: Annotated[
        bool | None,
        typer.Option(
            "--prime/--no-prime",
            help="A gt before PATH in sessions of our agents, for a short prime; default: none.",
        ),
    ] = None,
    nightly: Annotated[
        bool | None,
        typer.Option(
            "--nightly/--no-nightly",
            help="A plugin that does node0 town nightly once a day; default: none.",
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Ask nothing: flags, what was answered before, defaults.")
    ] = False,
    dry_run: DryRunOption = False,
    town: TownOption = None,
) -> None:
    """Install what collects sessions, and agents on the base; the first time it asks what it cannot know.

    Installing again changes only what is not as it should be. Roles run what they ran before: a version gets
    a role by node0 model deploy.

    \b
    Example:
      node0 town install --base-model Qwen/Qwen3-0.6B --dry-run
    """
    given = {
        "base_model": base_model,
        "roles": role,
        "claude_hook": claude_hook,
        "claude_trust": claude_trust,
        "timer": timer,
        "prime": prime,
        "nightly": nightly,
    }
    change_town.install(town, given, ask=not yes, dry_run=dry_run)


@app.command()
def nightly(
    *,
    role: Annotated[
        list[str] | None,
        typer.Option("--role", help="This role only; default: those of the town. Repeatable."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done; do nothing.")] = False,
    town: TownOption = None,
    as_json: JsonOption = False,
) -> int:
    """Collect, and train, evaluate and put before the gate what the sessions of each role ask for.

    A run that did not end goes on; a version that was trained is evaluated; one that was evaluated is
    deployed where the gate lets it pass, the rollout has come to its role and its server answers. Exits with
    1 when a step failed; the gate's no is none.

    \b
    Example:
      node0 town nightly --dry-run
    """
    return run_nightly.nightly(town, roles=role or (), dry_run=dry_run, as_json=as_json)


@app.command()
def rollout(
    *,
    advance: Annotated[
        bool, typer.Option("--advance", help="Put the newest version of the stage that is open to work.")
    ] = False,
    endpoint: Annotated[
        str, typer.Option("--endpoint", help="What answers: own, vllm, llama-server, sglang or openai.")
    ] = "own",
    url: Annotated[str | None, typer.Option(help="Of the endpoint; its server runs already.")] = None,
    town: TownOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the stages of the rollout, deacon, witness, polecat: which is at work, which is open, and why.

    A stage opens when enough sessions of the one before ended well. To advance is to deploy: the gate decides
    as ever. Exits with 3 where no stage is open.

    \b
    Example:
      node0 town rollout
    """
    if advance:
        roll_out.advance(town, kind=endpoint, url=url)
    else:
        roll_out.show(town, as_json=as_json)


@app.command()
def savings(*, town: TownOption = None, as_json: JsonOption = False) -> None:
    """Show what versions of ours did in the place of other agents, and what that would have cost.

    Sessions, estimated tokens and outcomes beside those of other agents. A price stands there where
    savings.rates in .models/settings.yaml says what the hosted model costs.

    \b
    Example:
      node0 town savings
    """
    town_savings.show(town, as_json=as_json)


@app.command()
def uninstall(*, dry_run: DryRunOption = False, town: TownOption = None) -> None:
    """Take out what install has put in; every settings file is as it was before, to the byte.

    The corpus, the registry and what people changed since stay.

    \b
    Example:
      node0 town uninstall --dry-run
    """
    change_town.uninstall(town, dry_run=dry_run)
