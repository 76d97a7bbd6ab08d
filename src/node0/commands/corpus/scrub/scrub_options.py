# SPDX-License-Identifier: Apache-2.0
"""`node0-corpus scrub` and `scrub-bench`: which text is scrubbed, and how well that works."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node0.commands.common_options import JsonOption, TownOption, command_app
from node0.commands.corpus.corpus_arguments import DenyOption
from node0.commands.lazy import when_called

if TYPE_CHECKING:
    from node0.commands.corpus.scrub import bench_scrubber
    from node0.commands.corpus.scrub import scrub_text as work
else:
    bench_scrubber = when_called("node0.commands.corpus.scrub.bench_scrubber")
    work = when_called("node0.commands.corpus.scrub.scrub_text")

app = command_app()


@app.command()
def scrub(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="Default: standard input.")] = None,
    *,
    jsonl: Annotated[
        bool,
        typer.Option("--jsonl", help='Lines {"id", "text"} in, {"id", "text", "findings"} out, in order.'),
    ] = False,
    deny: DenyOption = None,
    town: TownOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="The findings instead of the text.")] = False,
) -> None:
    """Scrub a text with the settings of the town, if there is one; nothing is stored.

    \b
    Example:
      node0 corpus scrub notes.txt
    """
    work.scrub_text(file, town, deny=deny or (), jsonl=jsonl, as_json=as_json)


@app.command()
def scrub_bench(
    *,
    cases: Annotated[int, typer.Option(min=10, help="Generated texts of each kind and reading.")] = 400,
    seed: Annotated[int, typer.Option(help="The same seed gives the same texts.")] = 1,
    examples: Annotated[
        int,
        typer.Option(min=0, help="Show so many texts of each row that went wrong."),
    ] = 0,
    check: Annotated[
        bool, typer.Option("--check", help="Exit 3 where a share is below what a release must reach.")
    ] = False,
    page: Annotated[
        Path | None, typer.Option(help="Write the table into this page, between its two marks.")
    ] = None,
    town: TownOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score the scrubber on generated texts: values gone, spans right, words that stayed.

    \b
    Example:
      node0 corpus scrub-bench --cases 200
    """
    settings = bench_scrubber.Bench(cases=cases, seed=seed, examples=examples, check=check, page=page)
    bench_scrubber.bench_scrubber(settings, town, as_json=as_json)
