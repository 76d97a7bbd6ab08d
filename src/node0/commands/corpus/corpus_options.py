# SPDX-License-Identifier: Apache-2.0
"""`node0-corpus`: the app that holds its groups of commands."""

from collections.abc import Sequence

from node0 import console
from node0.commands.common_options import command_app
from node0.commands.corpus.collect import collect_options
from node0.commands.corpus.entries import entries_options
from node0.commands.corpus.exchange import exchange_options
from node0.commands.corpus.hygiene import hygiene_options
from node0.commands.corpus.operational import operational_options
from node0.commands.corpus.overview import overview_options
from node0.commands.corpus.retrieval import retrieval_options
from node0.commands.corpus.review import review_options
from node0.commands.corpus.scrub import scrub_options
from node0.commands.corpus.share import share_options

app = command_app(help="Collect what a town's sessions left, scrub it, and look at it.", is_group=True)

for part in (
    collect_options,
    entries_options,
    scrub_options,
    exchange_options,
    hygiene_options,
    operational_options,
    overview_options,
    retrieval_options,
    review_options,
    share_options,
):
    app.add_typer(part.app)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    return console.run(app, argv, name="node0-corpus")
