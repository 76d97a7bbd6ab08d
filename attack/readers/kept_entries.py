# SPDX-License-Identifier: Apache-2.0
"""What must stay in a corpus beside whatever is attacked."""

from collections.abc import Iterable

from node0.finetune.corpus.store import CorpusStore


def require_whole(store: CorpusStore, good: Iterable[str]) -> None:
    """Entries of these ids are there.

    Raises:
        AssertionError: one is lost.
    """
    lost = {*good} - {entry.id for entry in store.entries()}
    if lost:
        raise AssertionError(f"an entry is lost: {min(lost)}")
