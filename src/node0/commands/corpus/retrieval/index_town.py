# SPDX-License-Identifier: Apache-2.0
"""Bring the index of a town up to date, and print what was made again."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from node0 import console
from node0.commands.corpus.open_beads import read_beads
from node0.commands.corpus.open_corpus import open_store
from node0.commands.corpus.open_scrubber import make_scrubber
from node0.errors import Node0Error
from node0.finetune.corpus.town.bead_outcomes import Outcomes
from node0.finetune.rag.indexer import BEADS, COLLECTIONS, CONFIGS, FORMULAS, SESSIONS, RAGIndexer, Source
from node0.finetune.rag.retriever import RAGRetriever
from node0.finetune.rag.town_sources import bead_sources, config_sources, formula_sources, session_sources
from node0.town import Town

COUNTED = ("new", "changed", "unchanged", "removed")
Rows = list[dict[str, object]]


@dataclass(frozen=True, slots=True)
class IndexRequest:
    """Which town is indexed, and how."""

    town: Path | None
    rag_dir: Path | None
    "None is the town's."

    beads: Path | None = None
    "A backup; None asks the town's server."

    sessions: int = 500
    embedder: str | None = None
    deny: tuple[str, ...] = ()

    def open(self) -> tuple[Town, RAGIndexer]:
        """The town, and what indexes it."""
        town = Town.locate(self.town)
        scrubber = make_scrubber(self.deny, town=town, stand_ins=False)
        return town, RAGIndexer(self.rag_dir or town.rag, scrubber=scrubber, embedder=self.embedder)


def index_town(request: IndexRequest, *, only_beads: tuple[str, ...], as_json: bool) -> None:
    """Index everything, or only these beads. What cannot be read now stays as the index has it.

    Raises:
        DoltUnavailable: beads are asked for by id, and the town's server does not answer.
    """
    town, indexer = request.open()
    if only_beads:
        beads = read_beads(town, request.beads, town.dolt_server())
        _finish(indexer, _only(indexer, beads, only_beads), as_json=as_json)
        return
    _, corpus = open_store(town.root)
    outcomes = _outcomes(town, request.beads)
    rows = _take(indexer, BEADS, bead_sources(outcomes)) if outcomes else []
    rows += _take(indexer, CONFIGS, config_sources(town))
    rows += _take(indexer, SESSIONS, session_sources(corpus, request.sessions))
    rows += _take(indexer, FORMULAS, formula_sources(town))
    _finish(indexer, rows, as_json=as_json)


def index_formulas(request: IndexRequest, *, as_json: bool) -> None:
    """Index the town's formulas."""
    town, indexer = request.open()
    _finish(indexer, _take(indexer, FORMULAS, formula_sources(town)), as_json=as_json)


def _outcomes(town: Town, backup: Path | None) -> Outcomes | None:
    if backup is None and not town.has_beads:
        return None
    try:
        return read_beads(town, backup, town.dolt_server())
    except Node0Error as error:
        if backup is not None:
            raise
        console.note(f"beads stay as they were indexed: {error}")
        return None


def _only(indexer: RAGIndexer, outcomes: Outcomes, names: tuple[str, ...]) -> Rows:
    """These beads alone; one that is gone leaves the index too."""
    found = [source for source in bead_sources(outcomes) if source.name in names]
    indexer.remove(BEADS, set(names) - {source.name for source in found})
    return _take(indexer, BEADS, found, whole=False)


def _take(indexer: RAGIndexer, collection: str, sources: Iterable[Source], *, whole: bool = True) -> Rows:
    """Take what is there, all of a collection; one row of counts."""
    before = Counter({}) if not whole else indexer.did.copy()
    indexer.take(collection, sources, whole=whole)
    return [{"collection": collection, **{one: indexer.did[one] - before[one] for one in COUNTED}}]


def _finish(indexer: RAGIndexer, rows: Rows, *, as_json: bool) -> None:
    indexer.embed()
    counts = indexer.store.counts()
    for row in rows:
        row["sources"], row["chunks"] = counts.get(str(row["collection"]), (0, 0))
    total = {
        "collection": "all",
        **{one: indexer.did[one] for one in COUNTED},
        "sources": sum(counts.get(name, (0, 0))[0] for name in COLLECTIONS),
        "chunks": sum(counts.get(name, (0, 0))[1] for name in COLLECTIONS),
        "embedded": indexer.did["embedded"],
        "of these again": indexer.did["embedded again"],
    }
    console.emit(
        [*({**row, "embedded": None, "of these again": None} for row in rows), total], as_json=as_json
    )
    console.note(f"found by {RAGRetriever(indexer.store.path.parent).how}")
