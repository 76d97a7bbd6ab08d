# SPDX-License-Identifier: Apache-2.0
"""`node0 measure`: which models are measured on which run, and on how much of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node0 import console
from node0.commands.common_options import DeviceOption, JsonOption, MaxTokensOption, TownOption, command_app
from node0.commands.lazy import when_called

if TYPE_CHECKING:
    from node0.commands.measure import measure_models as work
else:
    work = when_called("node0.commands.measure.measure_models", heavy=True)

app = command_app()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    return console.run(app, argv, name="node0 measure")


@app.command()
def measure(  # noqa: PLR0913  # one parameter a flag
    models: Annotated[
        list[str],
        typer.Argument(metavar="MODEL", help="Registered names, or directories of runs or bases."),
    ],
    *,
    run: Annotated[Path, typer.Option(help="Run directory whose held-out entries are measured on.")],
    corpus_path: Annotated[
        Path | None, typer.Option(help="Corpus; default: the one that the run was trained on.")
    ] = None,
    role: Annotated[str | None, typer.Option(help="Role to answer as; default: the run's.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Generate answers for at most this many turns, evenly spread.")
    ] = None,
    max_tokens: MaxTokensOption = 96,
    device: DeviceOption = "auto",
    store: Annotated[
        bool, typer.Option("--store/--no-store", help="Keep it with the version, where MODEL is registered.")
    ] = True,
    town: TownOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure models on the sessions that a run held out.

    Loss is over every answer. Exact calls are counted, greedily, on turns whose call holds a word that
    only a tool result showed; beside them stands what always giving the commonest call would get.

    \b
    Example:
      node0 measure Qwen/Qwen3-0.6B deacon:1 --run ~/gt/.checkpoints/deacon
    """
    request = work.MeasureRequest(
        run,
        corpus_path=corpus_path,
        role=role,
        limit=limit,
        max_tokens=max_tokens,
        device=device,
        town=town,
        store=store,
    )
    work.measure_models(models, request, as_json=as_json)
