# SPDX-License-Identifier: Apache-2.0
"""`node0 rag query`: which index is asked what."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from node0 import console
from node0.commands.common_options import JsonOption, RagDirOption, TownOption, command_app
from node0.commands.lazy import when_called

if TYPE_CHECKING:
    from node0.commands.rag import query_index as work
else:
    work = when_called("node0.commands.rag.query_index", heavy=True)

app = command_app(
    help="Look for what a town's records say; `node0-corpus rag-index` makes the index.", is_group=True
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    return console.run(app, argv, name="node0 rag")


@app.callback()
def group() -> None:
    """A group, also while it has one command."""


@app.command()
def query(
    text: Annotated[str, typer.Argument(metavar="QUESTION", help="What is asked, in words or ids.")],
    *,
    town: TownOption = None,
    rag_dir: RagDirOption = None,
    results: Annotated[int, typer.Option("--results", "-n", min=1, help="Most excerpts.")] = 5,
    context: Annotated[
        bool, typer.Option("--context", help="Print what a model would be given, and nothing else.")
    ] = False,
    max_tokens: Annotated[int, typer.Option(min=1, help="Of --context, a quarter of its characters.")] = 1500,
    as_json: JsonOption = False,
) -> None:
    """Show the excerpts that bear on a question, best first, and why each was found.

    \b
    Example:
      node0 rag query 'how does the refinery merge' --results 5
    """
    work.query_index(
        work.Query(text, town=town, rag_dir=rag_dir, results=results, max_tokens=max_tokens),
        context=context,
        as_json=as_json,
    )
