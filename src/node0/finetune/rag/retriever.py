# SPDX-License-Identifier: Apache-2.0
"""Find what of a town bears on a question: exact ids first, then words and meaning together.

Words are ranked by BM25, meaning by the cosine of vectors, and both rankings are joined. Where an index has
no vectors, that is said, and words alone decide.
"""

import logging
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from node0.errors import Node0Error
from node0.finetune.rag.embedders import (
    IDENTITY_FACT,
    LATENT,
    LATENT_FACT,
    MODEL_FACT,
    NONE,
    Embedder,
    load_sentence_embedder,
)
from node0.finetune.rag.fence import Count, Excerpt, packed
from node0.finetune.rag.fusion import best, by_reciprocal_rank, by_score, raised, words_share
from node0.finetune.rag.indexer import INDEX_FILE
from node0.finetune.rag.latent import LatentEmbedder, Matrix
from node0.finetune.rag.lexical import LexicalIndex, Scores
from node0.finetune.rag.nearness import Nearness
from node0.store.chunk_store import ChunkStore, StoredChunk

logger = logging.getLogger(__name__)

MAX_TOKENS = 1500
LONGEST_QUERY = 4000
"Characters of a question that are looked at: its last ones."

_ID = re.compile(r"[^\s\"'`<>()\[\]{},;|]+")
_TELLING = re.compile(r"[-./_\d]")
"What an id has and a plain word has not."


By = Literal["both", "words", "meaning"]


@dataclass(frozen=True, slots=True)
class Found:
    """A chunk that was found, and why."""

    collection: str
    name: str
    part: int
    parts: int
    text: str
    score: float
    "Of the fused ranking."

    exact: bool
    "The question names its source."

    by_words: int | None
    "Place in the ranking by words, from 1; None beyond its depth."

    by_meaning: int | None

    @property
    def origin(self) -> str:
        """As `bead gt-abc12`."""
        return f"{self.collection[:-1]} {self.name}"

    @property
    def excerpt(self) -> Excerpt:
        """For the fence."""
        return Excerpt(self.origin, f"{self.part + 1}/{self.parts}" if self.parts > 1 else "", self.text)


class RAGRetriever:
    """Answers from one index, and follows it when it changes.

    Args:
        persist_dir: The index's directory.
        max_tokens: Of a context.
        count: Counts tokens as the model does; None takes a quarter of the characters.

    Raises:
        NotFound: there is no index.
        ConfigError: it cannot be read.
    """

    def __init__(
        self, persist_dir: str | Path, *, max_tokens: int = MAX_TOKENS, count: Count | None = None
    ) -> None:
        self._store = ChunkStore(Path(persist_dir) / INDEX_FILE, create=False)
        self._max_tokens = max_tokens
        self._count: Count = count or (lambda text: -(-len(text) // 4))
        self._lock = threading.Lock()
        self._index = _Index(*self._store.everything())

    def retrieve(self, query: str, n_results: int = 5) -> str:
        """The context of a question: at most this many excerpts between delimiters; empty for none."""
        found = self.search(query, n_results)
        return packed((one.excerpt for one in found), budget=self._max_tokens, count=self._count)

    def search(self, query: str, n_results: int = 5, *, by: By = "both") -> Sequence[Found]:
        """The best chunks, best first.

        Args:
            query: A question.
            n_results: Most chunks.
            by: One of the two rankings alone, for those who compare them.
        """
        with self._lock:
            if self._store.state() != self._index.state:
                self._index = _Index(*self._store.everything())
            index = self._index
        return index.search(query[-LONGEST_QUERY:], n_results, by)

    @property
    def how(self) -> str:
        """By what chunks are ranked, for people."""
        return self._index.how


_Ranked = tuple[Scores, list[int]]
"Scores of all chunks, and the best of them, best first."


class _Index:
    """An index in memory, as it was at one moment."""

    def __init__(self, state: int, facts: dict[str, bytes], chunks: Sequence[StoredChunk]) -> None:
        self.state = state
        self._chunks = chunks
        self._nothing = np.zeros(len(chunks), dtype=np.float32)
        self._lexical = LexicalIndex([chunk.terms for chunk in chunks])
        self._embedder, self.how = _embedder(facts)
        self._rows, self._vectors = _vectors(chunks)
        if self._embedder and not len(self._rows):
            self._embedder, self.how = None, "words only: no chunk has a vector yet"
        if self._embedder is None:
            logger.warning("%s", self.how)
        self._sources: dict[tuple[str, str], list[int]] = {}
        self._named: dict[str, list[tuple[str, str]]] = {}
        for row, chunk in enumerate(chunks):
            self._sources.setdefault((chunk.collection, chunk.name), []).append(row)
        for (collection, name), rows in self._sources.items():
            for alias in _aliases(name, chunks[rows[0]].label):
                self._named.setdefault(alias, []).append((collection, name))

    def search(self, query: str, n_results: int, by: By) -> Sequence[Found]:
        words = self._lexical.scores(query) if by != "meaning" else self._nothing
        meaning = self._by_meaning(query) if by != "words" else self._nothing
        word_rows, meaning_rows = best(words), best(meaning)
        fused: Mapping[int, float] = {
            row: float(words[row] + meaning[row]) for row in word_rows + meaning_rows
        }
        if by == "both":
            fused = self._fused(query, (words, word_rows), (meaning, meaning_rows))
        exact = self._exact(query, fused)
        ranked = sorted(fused, key=lambda row: (-fused[row], row))
        rows = list(dict.fromkeys([*exact, *ranked]))[:n_results]
        places = [{row: at for at, row in enumerate(one, 1)} for one in (word_rows, meaning_rows)]
        return [
            self._found(row, fused.get(row, 0.0), row in exact, (places[0].get(row), places[1].get(row)))
            for row in rows
        ]

    def _fused(self, query: str, by_words: _Ranked, by_meaning: _Ranked) -> Mapping[int, float]:
        """Both rankings joined, by row."""
        (words, word_rows), (meaning, meaning_rows) = by_words, by_meaning
        idf = self._lexical.idf(query)
        whole = sum(idf.values())
        share = words_share(words, whole)
        if not isinstance(self._embedder, LatentEmbedder | None):
            # The scale of a model's cosines is its own.
            return by_reciprocal_rank(word_rows, meaning_rows, share=share)
        rows = list(dict.fromkeys([*word_rows, *meaning_rows]))
        joined = by_score(words, meaning, rows=rows, whole=whole, share=share)
        near = Nearness(query, idf)
        return raised(joined, lambda row: near.share(self._chunks[row].text))

    def _by_meaning(self, query: str) -> Scores:
        """(chunks,) cosines; 0 for a chunk without a vector."""
        scores = np.zeros(len(self._chunks), dtype=np.float32)
        if self._embedder is not None:
            (vector,) = self._embedder.embed([query], query=True)
            scores[self._rows] = self._vectors @ vector
        return scores

    def _exact(self, query: str, fused: Mapping[int, float]) -> list[int]:
        """The best chunk of each source that the question names, in the order of naming."""
        rows = []
        for source in _named_in(query, self._named):
            rows.append(max(self._sources[source], key=lambda row: (fused.get(row, 0.0), -row)))
        return list(dict.fromkeys(rows))

    def _found(
        self,
        row: int,
        score: float,
        exact: bool,
        places: tuple[int | None, int | None],
    ) -> Found:
        chunk = self._chunks[row]
        parts = len(self._sources[chunk.collection, chunk.name])
        return Found(chunk.collection, chunk.name, chunk.part, parts, chunk.text, score, exact, *places)


def _embedder(facts: dict[str, bytes]) -> tuple[Embedder | None, str]:
    """What codes a question as the chunks were coded, and how to speak of it."""
    wanted = facts.get(MODEL_FACT, LATENT.encode()).decode()
    if wanted == NONE:
        return None, "words only: the index was made with --embedder none"
    if wanted == LATENT:
        if LATENT_FACT not in facts:
            return None, "words only: the index is too small to be analysed, and names no embedding model"
        return LatentEmbedder.from_bytes(facts[LATENT_FACT]), f"words, and {LatentEmbedder.name}"
    try:
        identity, embedder = load_sentence_embedder(Path(wanted))
    except Node0Error as error:
        return None, f"words only: {error}"
    if identity != facts.get(IDENTITY_FACT, b"").decode():
        return None, f"words only: the model in {wanted} is not the one of the index; index again"
    return embedder, f"words, and {embedder.name}"


def _vectors(chunks: Sequence[StoredChunk]) -> tuple[npt.NDArray[np.int64], Matrix]:
    """(embedded,) rows of the chunks that have a vector, and their (embedded, width) vectors."""
    rows = np.array([row for row, chunk in enumerate(chunks) if chunk.vector], dtype=np.int64)
    joined = b"".join(chunk.vector for chunk in chunks if chunk.vector)
    vectors = np.frombuffer(joined, dtype=np.float32)
    return rows, vectors.reshape(len(rows), -1) if len(rows) else vectors.reshape(0, 0)


def _aliases(name: str, label: str) -> set[str]:
    """What a question may call a source: its name, its label, and of a path the last part and its stem."""
    last = name.rpartition("/")[2]
    return {one.casefold() for one in (name, label, last, last.removesuffix(".formula.toml")) if one}


def _named_in(query: str, named: dict[str, list[tuple[str, str]]]) -> list[tuple[str, str]]:
    """Sources that a question names, each once, in order; a plain word names one only by itself."""
    words = [word.strip(".:!?*#").casefold() for word in _ID.findall(query)]
    telling = [word for word in words if len(words) == 1 or _TELLING.search(word)]
    return list(dict.fromkeys(source for word in telling for source in named.get(word, ())))
