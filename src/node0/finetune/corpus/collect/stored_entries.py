# SPDX-License-Identifier: Apache-2.0
"""An index of the stored entries by session."""

import logging
from collections.abc import Mapping, Sequence
from functools import cached_property

from node0.errors import BadCorpus, NotFound
from node0.finetune.corpus.schema import HARNESS_SOURCES
from node0.finetune.corpus.store import CorpusStore, EntryHeader
from node0.finetune.corpus.town.sessions import Session

logger = logging.getLogger(__name__)


class StoredEntries:
    """Ids of stored entries by session, looked up when first asked for."""

    def __init__(self, store: CorpusStore) -> None:
        self._store = store

    def of(self, session: Session) -> set[str]:
        """Ids of the entries that were made of a session's transcript."""
        return self._ids.get(session.session_id, set())

    def hold(self, entries: Mapping[str, int]) -> bool:
        """Whether each of these is there and can be read; one of the same size is believed.

        Args:
            entries: Bytes of the file of each, by id.
        """
        return all(self._sizes.get(name) == size or self._can_be_read(name) for name, size in entries.items())

    def _can_be_read(self, name: str) -> bool:
        try:
            self._store.get(name)
        except (NotFound, BadCorpus) as error:
            logger.warning("its session is collected again: %s", error)
            return False
        return True

    @cached_property
    def _headers(self) -> Sequence[EntryHeader]:
        return self._store.headers()

    @cached_property
    def _sizes(self) -> dict[str, int]:
        return {header.id: header.bytes for header in self._headers}

    @cached_property
    def _ids(self) -> dict[str, set[str]]:
        ids: dict[str, set[str]] = {}
        for header in self._headers:
            if header.source in HARNESS_SOURCES and header.session_id:
                ids.setdefault(header.session_id, set()).add(header.id)
        return ids
