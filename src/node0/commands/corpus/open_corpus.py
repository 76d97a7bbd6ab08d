# SPDX-License-Identifier: Apache-2.0
"""Open the town that a command of `node0-corpus` is about, and its corpus."""

from pathlib import Path

from node0.commands.known_role import require_role
from node0.finetune.corpus.store import CorpusStore
from node0.town import Town


def open_store(town: Path | None, role: str | None = None) -> tuple[Town, CorpusStore]:
    """The town that is meant, and its corpus.

    Raises:
        NotFound: there is no town, or no such role in it.
    """
    place = Town.locate(town)
    require_role(role, place)
    return place, CorpusStore(place)
