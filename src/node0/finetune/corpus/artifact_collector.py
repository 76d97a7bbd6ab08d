# SPDX-License-Identifier: Apache-2.0
"""Collect documents from any root: CLAUDE.md, AGENTS.md, formulas, specifications.

The ids of documents inside the town are those that `CorpusCollector.collect_documents` gives, so neither
stores twice what the other has.
"""

import logging
from collections.abc import Iterable
from pathlib import Path

from node0.errors import NotFound
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.scrubber import CorpusScrubber
from node0.finetune.corpus.store import Added, CorpusStore
from node0.finetune.corpus.town.documents import (
    Document,
    distinct,
    document_entry,
    documents_in,
    formulas_in,
    rig_of,
    specs_in,
)
from node0.finetune.role import EVERY_ROLE
from node0.town import Town

logger = logging.getLogger(__name__)


class CorpusArtifactCollector:
    """Collects documents into one store. Every method returns the entries as they were stored, scrubbed.

    Args:
        store: Where entries go; the town is the directory that holds it.
        scrubber: Made before anything is read, so that nothing is stored when it cannot run.
    """

    def __init__(self, store: CorpusStore, scrubber: CorpusScrubber | None = None) -> None:
        self._store = store
        self._scrubber = scrubber or CorpusScrubber()
        self._town = Town(store.root.resolve().parent)

    def collect_claude_md(self, rig_root: Path, role: str = EVERY_ROLE) -> list[CorpusEntry]:
        """The instructions in `rig_root`, if there are any."""
        return self._collect([Document(rig_root / "CLAUDE.md", role, "convention_doc")])

    def collect_agents_md(self, rig_root: Path) -> list[CorpusEntry]:
        """The instructions to other harnesses in `rig_root`, if there are any."""
        return self._collect([Document(rig_root / "AGENTS.md", EVERY_ROLE, "convention_doc")])

    def collect_formulas(self, formulas_dir: Path) -> list[CorpusEntry]:
        """Every `*.formula.toml`."""
        return self._collect(formulas_in(formulas_dir))

    def collect_specs(self, plans_root: Path) -> list[CorpusEntry]:
        """Every specification of a plan."""
        return self._collect(specs_in(plans_root))

    def collect_root(self, rig_root: Path) -> list[CorpusEntry]:
        """All of these, directives and documents, of one root.

        Raises:
            NotFound: there is no such directory.
        """
        if not rig_root.is_dir():
            raise NotFound(f"no directory {rig_root}: name a town's root or a rig's with --rig-root")
        return self._collect(documents_in(rig_root))

    def _collect(self, documents: Iterable[Document]) -> list[CorpusEntry]:
        stored = []
        for document in distinct(documents):
            name, rig = self._name(document.path)
            entry = document_entry(document, name, rig)
            if entry is None:
                logger.warning("%s is empty: left out", document.path)
                continue
            entry = self._scrubber.scrub_entry(entry).entry
            if self._store.add(entry) is not Added.RETRACTED:
                stored.append(self._store.get(entry.id))
        return stored

    def _name(self, path: Path) -> tuple[str, str]:
        """What the entry's id is made of, and its rig."""
        whole = path.parent.resolve() / path.name
        if not whole.is_relative_to(self._town.root):
            return whole.as_posix(), whole.parent.name
        name = whole.relative_to(self._town.root).as_posix()
        return name, rig_of(self._town, name)
