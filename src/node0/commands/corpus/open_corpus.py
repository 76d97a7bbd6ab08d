# SPDX-License-Identifier: Apache-2.0
"""What the modules of `node0-corpus`'s commands share: options, the store and the scrubber."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node0.finetune.role import RULE, is_role_name

if TYPE_CHECKING:
    from node0.finetune.corpus.scrubber import CorpusScrubber
    from node0.finetune.corpus.store import CorpusStore
    from node0.finetune.corpus.town.bead_outcomes import Outcomes
    from node0.town import DoltServer, Town

RoleOption = Annotated[str | None, typer.Option("--role", help="Of this role only.")]
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="Id of an entry; see `node0-corpus list`.")]
DenyOption = Annotated[
    list[str] | None,
    typer.Option("--deny", help="A word that always goes (a name, a host); may be repeated."),
]
BeadsOption = Annotated[
    Path | None,
    typer.Option(
        "--beads",
        help="Backup directory with issues.jsonl and events.jsonl; default: the town's Dolt server.",
    ),
]


def role_name(text: str | None) -> str | None:
    """What an option says, where that can be the name of a role."""
    if text is not None and not is_role_name(text):
        raise typer.BadParameter(f"{text!r} is no role name: {RULE}")
    return text


def open_store(town: Path | None) -> "tuple[Town, CorpusStore]":
    """The town that is meant, and its corpus."""
    from node0.finetune.corpus.store import CorpusStore
    from node0.town import Town

    place = Town.locate(town)
    return place, CorpusStore(place)


def make_scrubber(deny: Sequence[str], *, town: "Town | None" = None) -> "CorpusScrubber":
    """The scrubber with the operator's words, the town's settings, and what was decided in review."""
    from node0.finetune.corpus.quality.review_queue import read_decisions
    from node0.finetune.corpus.scrub_settings import town_scrubber

    return town_scrubber(town, deny, verdict=read_decisions(town.corpus).verdict if town else None)


def read_beads(town: "Town", backup: Path | None, server: "DoltServer") -> "Outcomes":
    """The town's beads and how they ended, from a backup where one is named, else from its server.

    Raises:
        NotFound: the backup is none.
        DoltUnavailable: the server does not answer.
    """
    from node0.finetune.corpus.operational_collector import read_dolt
    from node0.finetune.corpus.town.bead_outcomes import Outcomes
    from node0.finetune.corpus.town.beads import read_backup

    return Outcomes(read_backup(backup) if backup else read_dolt(server, town.beads_dirs()))


def town_if_any(given: Path | None) -> "Town | None":
    """The town that is meant; None where none is named and none is found.

    Raises:
        NotFound: the place named is no town.
    """
    from node0.errors import NotFound
    from node0.town import Town

    try:
        return Town.locate(given)
    except NotFound:
        if given is not None:
            raise
        return None


def lines_of(file: Path | None) -> Iterator[str]:
    """Lines of a file, or of standard input.

    Raises:
        NotFound: there is no such file.
    """
    import sys

    from node0.errors import NotFound

    if file is None:
        yield from sys.stdin
        return
    if not file.is_file():
        raise NotFound(f"no file {file}: name one, or pipe the text in")
    with file.open(encoding="utf-8", errors="replace", newline="") as source:
        yield from source
