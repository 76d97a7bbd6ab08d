# SPDX-License-Identifier: Apache-2.0
"""`node0 doctor`: which run, and which base, is looked at besides this machine."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node0 import console
from node0.commands.common_options import JsonOption, command_app
from node0.commands.lazy import when_called

if TYPE_CHECKING:
    from node0.commands.doctor import examine as work
else:
    work = when_called("node0.commands.doctor.examine", heavy=True)

app = command_app()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    return console.run(app, argv, name="node0 doctor")


@app.command()
def doctor(
    *,
    run: Annotated[
        Path | None, typer.Option(help="Directory of a run, or its run.json; without it, the machine alone.")
    ] = None,
    base_model: Annotated[
        Path | None, typer.Option(help="Directory of the base here; default: as run.json says.")
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Look for what is wrong, and say what to do about it. Changes nothing.

    Exits with 0 when nothing is wrong, else with 1.

    \b
    Example:
      node0 doctor --base-model Qwen/Qwen3-0.6B
    """
    return work.examine(run, base_model, as_json=as_json)
