# SPDX-License-Identifier: Apache-2.0
"""An index of the stored entries by session."""

from functools import cached_property

from node0.finetune.corpus.schema import HARNESS_SOURCES
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.corpus.town.sessions import Session


class StoredEntries:
    """Ids of stored entries by session, looked up when first asked for."""

    def __init__(self, store: CorpusStore) -> None:
        self._store = store

    def of(self, session: Session) -> set[str]:
        """Ids of the entries that were made of a session's transcript."""
        return self._ids.get(session.session_id, set())

    @cached_property
    def _ids(self) -> dict[str, set[str]]:
        ids: dict[str, set[str]] = {}
        for header in self._store.headers():
            if header.source in HARNESS_SOURCES and header.session_id:
                ids.setdefault(header.session_id, set()).add(header.id)
        return ids
