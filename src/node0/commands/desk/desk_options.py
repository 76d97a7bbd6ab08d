# SPDX-License-Identifier: Apache-2.0
"""`node0 desk`: the options of the pages that a person looks at a town with."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from node0 import console
from node0.commands.common_options import TownOption, command_app
from node0.commands.lazy import when_called

if TYPE_CHECKING:
    from node0.commands.desk import open_desk as work
else:
    work = when_called("node0.commands.desk.open_desk")

app = command_app()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    return console.run(app, argv, name="node0 desk")


@app.command()
def desk(
    *,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8643,
    tokenizer: Annotated[
        str,
        typer.Option(
            help="Directory or hub id of a tokenizer, to show what is trained; default: the base's."
        ),
    ] = "",
    town: TownOption = None,
) -> None:
    """Show a town in a browser: corpus, review, runs, versions, sessions. Until SIGTERM or Ctrl-C.

    Answers on loopback only, and only to who has the address that it prints. What is decided there is what
    the commands would do.

    \b
    Example:
      node0 desk --port 8643
    """
    console.note("opening the desk")
    work.open_desk(town, port=port, tokenizer=tokenizer)
