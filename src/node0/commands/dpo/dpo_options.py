# SPDX-License-Identifier: Apache-2.0
"""`node0 dpo`: compare versions on tasks, mine the corpus, and make training pairs of what was preferred."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node0 import console
from node0.commands.common_options import JsonOption, OfRoleOption, TownOption, command_app
from node0.commands.lazy import when_called

if TYPE_CHECKING:
    from node0.commands.dpo import choose_winners, review_pairs
    from node0.commands.dpo import compare_models as work
else:
    choose_winners = when_called("node0.commands.dpo.choose_winners")
    review_pairs = when_called("node0.commands.dpo.review_pairs")
    work = when_called("node0.commands.dpo.compare_models")

app = command_app(
    help="Say which of two answers is better: of two versions on one task, or of two recorded sessions.",
    is_group=True,
)

BeadArgument = Annotated[str, typer.Argument(metavar="BEAD", help="The task that both versions do.")]
ModelArgument = Annotated[str, typer.Argument(metavar="NAME[:VER|@ALIAS]", help="A version.")]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    return console.run(app, argv, name="node0 dpo")


@app.command()
def compare(
    bead: BeadArgument, model_a: ModelArgument, model_b: ModelArgument, *, town: TownOption = None
) -> None:
    """Begin to compare two versions on a task: sling it to each, collect, and attach the sessions.

    \b
    Example:
      node0 dpo compare gt-123 deacon:1 deacon:2
    """
    work.compare(bead, model_a, model_b, town)


@app.command()
def attach(
    bead: BeadArgument,
    entry: Annotated[str, typer.Argument(metavar="ENTRY", help="Corpus entry of the session.")],
    *,
    side: Annotated[str, typer.Option("--side", help="a or b: whose session it is.")],
    town: TownOption = None,
) -> None:
    """Say which collected session is side a's or b's.

    \b
    Example:
      node0 dpo attach gt-123 3f2a91c0 --side a
    """
    work.attach(bead, entry, town, side=side)


@app.command()
def show(bead: BeadArgument, *, town: TownOption = None, as_json: JsonOption = False) -> None:
    """Show what both sides did, side by side from where they part.

    \b
    Example:
      node0 dpo show gt-123
    """
    work.show(bead, town, as_json=as_json)


@app.command()
def record(
    bead: BeadArgument,
    *,
    winner: Annotated[str, typer.Option("--winner", help="a or b: who did better.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; kept with the preference.")] = "",
    town: TownOption = None,
) -> None:
    """Keep which side did better; said again, the last word counts.

    \b
    Example:
      node0 dpo record gt-123 --winner a
    """
    work.record(bead, town, winner=winner, reason=reason)


@app.command()
def choose(
    bead: Annotated[
        str | None, typer.Argument(metavar="[BEAD]", help="Default: every task that nobody has decided.")
    ] = None,
    *,
    role: OfRoleOption = None,
    town: TownOption = None,
) -> None:
    """Look at both sides of a task, which are not named, and say which did better.

    \b
    Example:
      node0 dpo choose gt-123
    """
    choose_winners.choose(bead, town, role=role)


@app.command()
def mine(
    *,
    role: OfRoleOption = None,
    profile: Annotated[
        Path | None, typer.Option("--profile", help="Deployment profile: what the model will meet.")
    ] = None,
    town: TownOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look in the corpus for situations in which one session went on to succeed and another one to fail.

    \b
    Example:
      node0 dpo mine --role deacon
    """
    review_pairs.mine_corpus(town, role=role, profile=profile, as_json=as_json)


@app.command()
def review(*, role: OfRoleOption = None, town: TownOption = None, as_json: JsonOption = False) -> None:
    """Look at mined pairs side by side, and accept, swap or drop each; --json lists them.

    \b
    Example:
      node0 dpo review --role deacon
    """
    review_pairs.review(town, role=role, as_json=as_json)


@app.command()
def decide(
    verdict: Annotated[str, typer.Argument(help="accept, swap or drop.")],
    ids: Annotated[list[str], typer.Argument(metavar="ID", help="Mined pairs; see `review --json`.")],
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept with the pair.")] = "",
    town: TownOption = None,
) -> None:
    """Say the same of several mined pairs; said again, the last word counts.

    \b
    Example:
      node0 dpo decide accept 3f2a91c0
    """
    review_pairs.decide(ids, verdict, town, reason=reason)


@app.command("list")
def list_comparisons(
    *, role: OfRoleOption = None, town: TownOption = None, as_json: JsonOption = False
) -> None:
    """List the comparisons, oldest first.

    \b
    Example:
      node0 dpo list --role deacon
    """
    work.list_comparisons(town, role=role, as_json=as_json)


@app.command()
def export(
    role: Annotated[str, typer.Argument(help="Whose pairs.")],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="File of JSON lines.")],
    *,
    unpaired: Annotated[
        bool,
        typer.Option("--unpaired", help="Each session by itself, with a label: prompt, completion, label."),
    ] = False,
    town: TownOption = None,
) -> None:
    """Write what was decided: pairs for `node0 corpus add`, or single sessions with a label.

    \b
    Example:
      node0 dpo export deacon pairs.jsonl
    """
    work.export(role, output, town, unpaired=unpaired)
