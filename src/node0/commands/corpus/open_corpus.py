# SPDX-License-Identifier: Apache-2.0
"""Open the town that a command of `node0-corpus` is about, and its corpus."""

from pathlib import Path

from node0.finetune.corpus.store import CorpusStore
from node0.town import Town


def open_store(town: Path | None) -> tuple[Town, CorpusStore]:
    """The town that is meant, and its corpus."""
    place = Town.locate(town)
    return place, CorpusStore(place)
