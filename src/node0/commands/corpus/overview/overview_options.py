# SPDX-License-Identifier: Apache-2.0
"""`node0-corpus stats`, `validate` and `watch`: the corpus as a whole."""

from typing import TYPE_CHECKING, Annotated

import typer

from node0.commands.common_options import JsonOption, OfRoleOption, TownOption, command_app
from node0.commands.lazy import when_called

if TYPE_CHECKING:
    from node0.commands.corpus.overview import count_entries, validate_entries, watch_entries
else:
    count_entries = when_called("node0.commands.corpus.overview.count_entries")
    validate_entries = when_called("node0.commands.corpus.overview.validate_entries")
    watch_entries = when_called("node0.commands.corpus.overview.watch_entries")

app = command_app()


@app.command()
def stats(*, role: OfRoleOption = None, town: TownOption = None, as_json: JsonOption = False) -> None:
    """Count entries and estimated tokens by role, source, task type and outcome; a histogram of lengths.

    \b
    Example:
      node0 corpus stats --role deacon
    """
    count_entries.count_entries(town, role=role, as_json=as_json)


@app.command()
def validate(*, role: OfRoleOption = None, town: TownOption = None, as_json: JsonOption = False) -> int:
    """Read every entry whole: digest, turns, recorded calls; exit code 1 when one is wrong.

    \b
    Example:
      node0 corpus validate
    """
    return validate_entries.validate_entries(town, role=role, as_json=as_json)


@app.command()
def watch(
    *,
    role: OfRoleOption = None,
    interval: Annotated[float, typer.Option(min=0.05, help="Seconds between looks.")] = 2.0,
    town: TownOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, as it comes.")] = False,
) -> None:
    """Show entries as they arrive, until Ctrl-C (exit code 130).

    \b
    Example:
      node0 corpus watch --interval 10
    """
    watch_entries.watch_entries(town, role=role, interval=interval, as_json=as_json)
