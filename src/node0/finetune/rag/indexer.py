# SPDX-License-Identifier: Apache-2.0
"""The index of a town's beads, configurations, sessions and formulas: only what changed is made again.

A source that is as it was keeps its chunks and their vectors: a digest over its text, the rules that scrub it
and the format of chunks tells. Every text is scrubbed before it is cut, and what the scrubber is not sure
about goes too, so no secret that it knows of enters the index.
"""

import hashlib
import logging
from collections import Counter
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from node0.errors import Node0Error
from node0.files import locked
from node0.finetune.corpus.scrub.finding import Tier
from node0.finetune.corpus.scrub.placeholders import Placeholders, replaced
from node0.finetune.corpus.scrub.text_scrubber import TextScrubber
from node0.finetune.rag.chunks import chunked, formula_text
from node0.finetune.rag.embedders import (
    IDENTITY_FACT,
    LATENT,
    LATENT_FACT,
    MODEL_FACT,
    NONE,
    Embedder,
    load_sentence_embedder,
    wanted_embedder,
)
from node0.finetune.rag.latent import SMALLEST, LatentEmbedder
from node0.finetune.rag.terms import coded_terms
from node0.store.chunk_store import ChunkStore, NewChunk, NewSource

logger = logging.getLogger(__name__)

INDEX_FILE = "index.sqlite"
BEADS, CONFIGS, SESSIONS, FORMULAS = "beads", "configs", "sessions", "formulas"
COLLECTIONS = (BEADS, CONFIGS, SESSIONS, FORMULAS)
CHUNKS_VERSION = 1
GROWTH = 1.5
"The index is analysed again when it has this many times the chunks of the last analysis."

BATCH = 256
"Sources, and vectors of chunks, that are stored at once."


class Source(NamedTuple):
    """A text that is to be found, unscrubbed."""

    name: str
    "Unique in its collection: a bead's id, a path, a session's id."

    text: str


class RAGIndexer:
    """Keeps an index in one directory.

    Args:
        persist_dir: Where it is, or is to be.
        scrubber: Takes out secrets; None takes the shipped rules.
        embedder: `latent`, `none`, or the directory of a sentence-embedding model; None leaves what the
            index uses.

    Attributes:
        did: What happened: sources new, changed, unchanged and removed; chunks embedded, and embedded again
            because what makes vectors had changed.

    Raises:
        ConfigError, NotFound: the index or the model cannot be used.
    """

    def __init__(
        self, persist_dir: str | Path, *, scrubber: TextScrubber | None = None, embedder: str | None = None
    ) -> None:
        self.store = ChunkStore(Path(persist_dir) / INDEX_FILE)
        self._scrubber = scrubber or TextScrubber()
        self._model: tuple[str, Embedder] | None = None
        self.did: Counter[str] = Counter()
        if embedder is not None:
            with self._alone():
                self._use(embedder)

    def index_bead(self, bead_id: str, content: str) -> None:
        """Index a bead, in the place of what the index had of it."""
        self.index(BEADS, [Source(bead_id, content)])

    def index_config(self, path: str, content: str) -> None:
        """Index a document or a settings file, likewise."""
        self.index(CONFIGS, [Source(path, content)])

    def index_session(self, session_id: str, content: str) -> None:
        """Index a session, likewise."""
        self.index(SESSIONS, [Source(session_id, content)])

    def index_formula(self, formula_path: str, content: str) -> None:
        """Index a formula by what it and its steps say, likewise; one that is no TOML as it is."""
        self.index(FORMULAS, [Source(formula_path, content)])

    def index(self, collection: str, sources: Iterable[Source], *, whole: bool = False) -> None:
        """Index sources that are new or have changed, and give new chunks their vectors.

        Args:
            collection: One of `COLLECTIONS`.
            sources: Each name once.
            whole: These are all there are: others of the collection are removed.
        """
        self.take(collection, sources, whole=whole)
        self.embed()

    def take(self, collection: str, sources: Iterable[Source], *, whole: bool = False) -> None:
        """As `index`, without vectors for now: see `embed`."""
        with self._alone():
            self._take(collection, sources, whole=whole)

    def remove(self, collection: str, names: Iterable[str]) -> None:
        """Remove sources that are there."""
        with self._alone():
            self._remove(collection, self.store.digests(collection).keys() & set(names))

    def embed(self) -> None:
        """Give every chunk without a vector one, where the index has what makes them."""
        with self._alone():
            wanted = wanted_embedder(self.store)
            embedder = self._latent() if wanted == LATENT else self._sentence(wanted)
            if embedder is not None:
                self._embed(embedder)

    def _alone(self) -> AbstractContextManager[None]:
        """One process at a time changes an index: the digests that it reads stay true while it writes."""
        return locked(self.store.path.with_name(".index.lock"))

    def _take(self, collection: str, sources: Iterable[Source], *, whole: bool) -> None:
        known = self.store.digests(collection)
        seen = set()
        waiting: list[NewSource] = []
        for source in sources:
            seen.add(source.name)
            digest = self._digest(source.text)
            if known.get(source.name) == digest:
                self.did["unchanged"] += 1
                continue
            waiting.append(self._made(collection, source, digest))
            self.did["changed" if source.name in known else "new"] += 1
            if len(waiting) == BATCH:
                self.store.put(collection, waiting)
                waiting.clear()
        if waiting:
            self.store.put(collection, waiting)
        if whole:
            self._remove(collection, known.keys() - seen)

    def _remove(self, collection: str, names: AbstractSet[str]) -> None:
        if names:
            self.store.remove(collection, sorted(names))
            self.did["removed"] += len(names)

    def _embed(self, embedder: Embedder) -> None:
        waiting = self.store.without_vector()
        for start in range(0, len(waiting), BATCH):
            part = waiting[start : start + BATCH]
            vectors = embedder.embed([text for _, text in part])
            self.store.put_vectors(
                {number: vector.tobytes() for (number, _), vector in zip(part, vectors, strict=True)}
            )
            self.did["embedded"] += len(part)

    def _use(self, wanted: str) -> None:
        """Let another embedder make the vectors; a model that cannot be loaded changes nothing."""
        name = wanted if wanted in (LATENT, NONE) else str(Path(wanted).resolve())
        identity = name
        if name not in (LATENT, NONE):
            self._model = load_sentence_embedder(Path(name))
            identity = self._model[0]
        before = (self.store.fact(IDENTITY_FACT) or LATENT.encode()).decode()
        if before != identity:  # vectors first: those of another model must not outlive its name
            self.did["embedded again"] += self.store.drop_vectors()
        self.store.put_facts({MODEL_FACT: name.encode(), IDENTITY_FACT: identity.encode()})

    def _sentence(self, wanted: str) -> Embedder | None:
        if wanted == NONE:
            return None
        if self._model is None:
            try:
                self._model = load_sentence_embedder(Path(wanted))
            except Node0Error as error:
                logger.warning("new chunks are found by words only: %s", error)
                return None
            if self._model[0] != (self.store.fact(IDENTITY_FACT) or b"").decode():
                self._use(wanted)
        return self._model[1]

    def _latent(self) -> Embedder | None:
        """The analysis, made again where the index has outgrown it."""
        coded = self.store.fact(LATENT_FACT)
        known = LatentEmbedder.from_bytes(coded) if coded else None
        chunks = sum(count for _, count in self.store.counts().values())
        if chunks < SMALLEST or (known and chunks < GROWTH * known.seen):
            return known
        made = LatentEmbedder.fit(self.store.texts())
        # Vectors first: those of the last analysis must not outlive it.
        self.did["embedded again"] += self.store.drop_vectors()
        self.store.put_facts({LATENT_FACT: made.to_bytes()})
        return made

    def _made(self, collection: str, source: Source, digest: str) -> NewSource:
        text, label = source.text, source.name
        if collection == FORMULAS and (told := formula_text(text)) is not None:
            label, text = told[0] or label, told[1]
        head = f"{collection[:-1]} {source.name}"
        pieces = chunked(self._scrubbed(text), head=self._scrubbed(head))
        chunks = [NewChunk(piece, coded_terms(piece)) for piece in pieces]
        return NewSource(source.name, label, digest, chunks)

    def _scrubbed(self, text: str) -> str:
        placeholders = Placeholders()
        placeholders.reserve(text)
        text, found = self._scrubber.redact(text, placeholders)
        unsure = [one for one in found if one.tier is Tier.QUARANTINE]
        return replaced(text, unsure, placeholders)[0]

    def _digest(self, text: str) -> str:
        made_by = f"{CHUNKS_VERSION} {self._scrubber.version}\0"
        return hashlib.sha256((made_by + text).encode("utf-8", "surrogatepass")).hexdigest()
