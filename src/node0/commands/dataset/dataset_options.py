# SPDX-License-Identifier: Apache-2.0
"""`node0 dataset`: the options of freezing a list of entries, of showing one, and of comparing two."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node0 import console
from node0.commands.common_options import (
    ConfigOption,
    CorpusPathOption,
    JsonOption,
    SetOption,
    TownOption,
    TrainedRoleOption,
    command_app,
)
from node0.commands.lazy import when_called

if TYPE_CHECKING:
    from node0.commands.dataset import frozen_lists as work
else:
    work = when_called("node0.commands.dataset.frozen_lists", heavy=True)

app = command_app(
    help="Freeze the entries that a training takes, look at a frozen list, and compare two.", is_group=True
)

PlaceArgument = Annotated[
    Path,
    typer.Argument(metavar="LIST", help="What freeze wrote, or a run directory: the entries of the run."),
]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    return console.run(app, argv, name="node0 dataset")


@app.command()
def freeze(
    output: Annotated[Path, typer.Argument(metavar="FILE", help="List to write; not there yet.")],
    *,
    role: TrainedRoleOption = None,
    corpus_path: CorpusPathOption = None,
    config: ConfigOption = None,
    settings: SetOption = None,
    town: TownOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the entries that a training would take now, with digests and sides.

    Train on them with: node0 finetune --set dataset=FILE. Entries that change or are retracted end such a
    training, with their names; new ones are left out.

    \b
    Example:
      node0 dataset freeze deacon.jsonl --role deacon
    """
    flags = {"role": role, "corpus_path": corpus_path}
    work.freeze(output, flags, settings or (), config=config, town=town, as_json=as_json)


@app.command()
def show(
    place: PlaceArgument,
    *,
    corpus_path: CorpusPathOption = None,
    town: TownOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count a list's entries by side, and say what has become of them in the corpus.

    \b
    Example:
      node0 dataset show deacon.jsonl
    """
    work.show(place, corpus_path, town, as_json=as_json)


@app.command()
def diff(
    place: PlaceArgument,
    other: Annotated[Path, typer.Argument(metavar="OTHER", help="The list, or the run, to compare with.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Say which entries OTHER has added, removed, changed, or moved to the other side.

    \b
    Example:
      node0 dataset diff deacon.jsonl ~/gt/.checkpoints/deacon
    """
    work.diff(place, other, as_json=as_json)
