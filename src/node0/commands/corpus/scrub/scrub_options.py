# SPDX-License-Identifier: Apache-2.0
"""`node0-corpus scrub`: which text is scrubbed, and in which form it comes and goes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node0.commands.common_options import TownOption, command_app
from node0.commands.corpus.corpus_arguments import DenyOption
from node0.commands.lazy import when_called

if TYPE_CHECKING:
    from node0.commands.corpus.scrub import scrub_text as work
else:
    work = when_called("node0.commands.corpus.scrub.scrub_text")

app = command_app()


@app.command()
def scrub(
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="Default: standard input.")] = None,
    *,
    jsonl: Annotated[
        bool,
        typer.Option("--jsonl", help='Lines {"id", "text"} in, {"id", "text", "findings"} out, in order.'),
    ] = False,
    deny: DenyOption = None,
    town: TownOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="The findings instead of the text.")] = False,
) -> None:
    """Scrub a text with the settings of the town, if there is one; nothing is stored."""
    work.scrub_text(file, town, deny=deny or (), jsonl=jsonl, as_json=as_json)
