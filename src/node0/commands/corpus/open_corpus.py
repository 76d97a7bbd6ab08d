# SPDX-License-Identifier: Apache-2.0
"""The town that a command of `node0-corpus` is about, and its corpus."""

from pathlib import Path

from node0.finetune.corpus.store import CorpusStore
from node0.town import Town


def open_store(town: Path | None) -> tuple[Town, CorpusStore]:
    """The town that is meant, and its corpus."""
    place = Town.locate(town)
    return place, CorpusStore(place)


def make_scrubber(deny: Sequence[str], *, town: "Town | None" = None) -> "CorpusScrubber":
    """The scrubber with the operator's words, the town's settings, and what was decided in review."""
    from node0.finetune.corpus.quality.review_queue import read_decisions
    from node0.finetune.corpus.town_scrubber import town_scrubber

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
