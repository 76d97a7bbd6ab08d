# SPDX-License-Identifier: Apache-2.0
"""Vectors that need no weights: latent semantic analysis of the indexed texts themselves.

A text is counted by words and by the four-letter pieces of its words, hashed into buckets, weighted
(1 + ln f) idf, and projected onto the leading right singular vectors of a sample of the index:
S. Deerwester et al., "Indexing by Latent Semantic Analysis", JASIS 41 (1990). The singular vectors are found
by random projection: N. Halko, P.-G. Martinsson, J. Tropp, SIAM Review 53 (2011), algorithm 4.4. A new text
is folded in: projected onto the same vectors. Words that keep company come close; nothing is known of the
language beyond the index.
"""

import io
import math
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from node0.finetune.rag.terms import hash_of, words_of

Matrix = npt.NDArray[np.float32]

BUCKETS = 1 << 14
SMALLEST = 32
"Chunks below which there is nothing to analyse."

SAMPLE = 4096
"Chunks that are analysed; the others are folded in."

WIDTH, OVERSAMPLE, ROUNDS = 256, 32, 2
BLOCK = 512
"Rows of a dense block: 32 MiB."

PIECE = 4


class LatentEmbedder:
    """Projects texts onto the vectors of one analysis.

    Args:
        idf: (buckets,) weights.
        basis: (buckets, width), orthonormal columns.
        seen: How many chunks the index had when it was analysed.
    """

    name = "latent semantic analysis of the index"

    def __init__(self, idf: Matrix, basis: Matrix, seen: int) -> None:
        self._idf = idf
        self._basis = basis
        self.seen = seen

    @classmethod
    def fit(cls, texts: Sequence[str]) -> "LatentEmbedder":
        """Analyse these texts, or an even sample of them."""
        sample = [texts[at] for at in np.linspace(0, len(texts) - 1, min(len(texts), SAMPLE)).astype(int)]
        counted = [_counted(text) for text in sample]
        held = np.zeros(BUCKETS)
        for buckets, _ in counted:
            held[buckets] += 1
        idf = np.log((1 + len(sample)) / (1 + held)).astype(np.float32) + 1
        rows = [(buckets, _normal(counts * idf[buckets])) for buckets, counts in counted]
        return cls(idf, _leading(rows, min(WIDTH, len(sample) // 2)), len(texts))

    @classmethod
    def from_bytes(cls, coded: bytes) -> "LatentEmbedder":
        """What `to_bytes` made."""
        with np.load(io.BytesIO(coded), allow_pickle=False) as parts:
            return cls(parts["idf"], parts["basis"], int(parts["seen"]))

    def to_bytes(self) -> bytes:
        """The analysis, for the store."""
        file = io.BytesIO()
        np.savez(file, idf=self._idf, basis=self._basis, seen=np.array(self.seen))
        return file.getvalue()

    def embed(self, texts: Sequence[str], *, query: bool = False) -> Matrix:  # alike for both
        """(texts, width) unit vectors; zeros for a text that has nothing in common with the analysis."""
        made = np.zeros((len(texts), self._basis.shape[1]), dtype=np.float32)
        for row, text in enumerate(texts):
            buckets, counts = _counted(text)
            if len(buckets):
                weights = _normal(counts * self._idf[buckets])
                made[row] = _normal(weights @ self._basis[buckets])
        return made


Row = tuple[npt.NDArray[np.intp], Matrix]
"Buckets that are not empty, and their weights."


def _counted(text: str) -> Row:
    found = [bucket for word in words_of(text) for bucket in _buckets(word)]
    buckets, counts = np.unique(np.array(found, dtype=np.intp), return_counts=True)
    return buckets, (1 + np.log(counts)).astype(np.float32)


@lru_cache(maxsize=1 << 16)
def _buckets(word: str) -> tuple[int, ...]:
    """The word's own bucket, and those of its pieces."""
    framed = f"<{word}>"
    pieces = {framed[at : at + PIECE] for at in range(len(framed) - PIECE + 1)}
    return tuple(hash_of(piece) % BUCKETS for piece in (word, *sorted(pieces)))


def _leading(rows: Sequence[Row], width: int) -> Matrix:
    """(buckets, width) leading right singular vectors of the rows."""
    drawn = np.random.default_rng(0).standard_normal((BUCKETS, width + OVERSAMPLE), dtype=np.float32)
    span = drawn
    for _ in range(ROUNDS):
        onto = _orthonormal(_times(rows, span))  # (rows, width + oversample)
        span = _orthonormal(_times_transposed(rows, onto))  # (buckets, width + oversample)
    _, _, right = np.linalg.svd(_times(rows, span), full_matrices=False)
    return np.ascontiguousarray((span @ right[:width].T).astype(np.float32))


def _orthonormal(tall: Matrix) -> Matrix:
    """An orthonormal basis of the columns' span, by their Gram matrix: QR of a tall one takes seconds."""
    values, vectors = np.linalg.eigh((tall.T @ tall).astype(np.float64))
    kept = values > values[-1] * 1e-7
    scaled: Matrix = (vectors[:, kept] / np.sqrt(values[kept])).astype(np.float32)
    return tall @ scaled


def _times(rows: Sequence[Row], matrix: Matrix) -> Matrix:
    """Rows times a (buckets, n) matrix."""
    return np.concatenate([block @ matrix for block, _ in _blocks(rows)])


def _times_transposed(rows: Sequence[Row], matrix: Matrix) -> Matrix:
    """The rows' transpose times a (rows, n) matrix."""
    total = np.zeros((BUCKETS, matrix.shape[1]), dtype=np.float32)
    for block, start in _blocks(rows):
        total += block.T @ matrix[start : start + len(block)]
    return total


def _blocks(rows: Sequence[Row]) -> Iterator[tuple[Matrix, int]]:
    """The rows as dense blocks, each with the number of its first row."""
    return ((_dense(rows[start : start + BLOCK]), start) for start in range(0, len(rows), BLOCK))


def _dense(rows: Sequence[Row]) -> Matrix:
    block = np.zeros((len(rows), BUCKETS), dtype=np.float32)
    for number, (buckets, weights) in enumerate(rows):
        block[number, buckets] = weights
    return block


def _normal(vector: Matrix) -> Matrix:
    length = math.sqrt(float(vector @ vector))
    return vector / np.float32(length) if length else vector
