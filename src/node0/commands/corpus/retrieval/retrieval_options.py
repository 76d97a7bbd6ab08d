# SPDX-License-Identifier: Apache-2.0
"""`node0-corpus rag-index` and `rag-index-formulas`: what of a town is indexed, where, and by which model."""

from typing import TYPE_CHECKING, Annotated

import typer

from node0.commands.common_options import JsonOption, RagDirOption, TownOption, command_app
from node0.commands.corpus.corpus_arguments import BeadsOption, DenyOption
from node0.commands.lazy import when_called

if TYPE_CHECKING:
    from node0.commands.corpus.retrieval import index_town as work
else:
    work = when_called("node0.commands.corpus.retrieval.index_town", heavy=True)

EmbedderOption = Annotated[
    str | None,
    typer.Option(
        help="Directory of a sentence-embedding model, latent or none; default: as before, at first latent."
    ),
]

app = command_app()


@app.command("rag-index")
def rag_index(  # noqa: PLR0913  # options of one command
    *,
    town: TownOption = None,
    rag_dir: RagDirOption = None,
    bead_id: Annotated[
        list[str] | None, typer.Option("--bead-id", help="Only this bead; may be repeated.")
    ] = None,
    beads: BeadsOption = None,
    sessions: Annotated[int, typer.Option(min=0, help="Newest sessions of the corpus to hold.")] = 500,
    embedder: EmbedderOption = None,
    deny: DenyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Index a town's beads, documents, settings, sessions and formulas: only what has changed.

    \b
    Example:
      node0 corpus rag-index --sessions 200
    """
    request = work.IndexRequest(
        town=town, rag_dir=rag_dir, beads=beads, sessions=sessions, embedder=embedder, deny=tuple(deny or ())
    )
    work.index_town(request, only_beads=tuple(bead_id or ()), as_json=as_json)


@app.command("rag-index-formulas")
def rag_index_formulas(
    *,
    town: TownOption = None,
    rag_dir: RagDirOption = None,
    embedder: EmbedderOption = None,
    deny: DenyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Index the formulas of a town and its rigs: only those that have changed.

    \b
    Example:
      node0 corpus rag-index-formulas
    """
    request = work.IndexRequest(town=town, rag_dir=rag_dir, embedder=embedder, deny=tuple(deny or ()))
    work.index_formulas(request, as_json=as_json)
