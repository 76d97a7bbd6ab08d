# SPDX-License-Identifier: Apache-2.0
"""BM25 over all chunks of an index, in memory.

score(q, d) = sum over terms t of q of idf(t) f(t, d) (k1 + 1) / (f(t, d) + k1 (1 - b + b |d| / avg |d|)) with
idf(t) = ln(1 + (N - n(t) + 0.5) / (n(t) + 0.5)): S. Robertson and H. Zaragoza, "The Probabilistic Relevance
Framework: BM25 and Beyond" (2009), with the idf of Lucene, which is never negative.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from node0.finetune.rag.terms import count_of_terms, decoded_terms, hash_of, hashes_of, words_of

K1, B = 1.2, 0.75
Scores = npt.NDArray[np.float32]


class LexicalIndex:
    """Which chunk holds which term, with what each posting adds to a score.

    Args:
        coded: The terms of each chunk, as `coded_terms` gives them.
    """

    def __init__(self, coded: Sequence[bytes]) -> None:
        self.size = len(coded)
        hashes, counts = decoded_terms(b"".join(coded))
        sizes = [count_of_terms(one) for one in coded]
        owner = np.repeat(np.arange(self.size, dtype=np.int32), sizes)
        order = np.argsort(hashes, kind="stable")
        self._terms, self._starts = np.unique(hashes[order], return_index=True)
        self._ends = np.append(self._starts[1:], len(hashes))
        self._owner = owner[order]
        self._added = self._impacts(owner, counts)[order]

    def scores(self, query: str) -> Scores:
        """(chunks,) scores; 0 where no term of the query stands."""
        scores = np.zeros(self.size, dtype=np.float32)
        wanted = hashes_of(query)
        if not len(self._terms):
            return scores
        at = np.minimum(np.searchsorted(self._terms, wanted), len(self._terms) - 1)
        for place in at[self._terms[at] == wanted]:
            postings = slice(self._starts[place], self._ends[place])
            # A chunk has one posting a term, so plain indexing adds each.
            scores[self._owner[postings]] += self._weight(place) * self._added[postings]
        return scores

    def idf(self, query: str) -> dict[str, float]:
        """How much each term of the query tells; most, where no chunk holds it.

        The sum is what a chunk of average length scores that holds each of them once.
        """
        terms = sorted(set(words_of(query)))
        wanted = np.array([hash_of(term) for term in terms], dtype=np.uint64)
        held = np.zeros(len(terms))
        if len(self._terms):
            at = np.minimum(np.searchsorted(self._terms, wanted), len(self._terms) - 1)
            held = np.where(self._terms[at] == wanted, self._ends[at] - self._starts[at], 0)
        return dict(zip(terms, _idf(self.size, held).tolist(), strict=True))

    def _weight(self, place: np.intp) -> np.float32:
        return np.float32(_idf(self.size, self._ends[place] - self._starts[place]))

    def _impacts(self, owner: npt.NDArray[np.int32], counts: npt.NDArray[np.uint32]) -> Scores:
        """What each posting adds, without the idf."""
        length = np.bincount(owner, weights=counts, minlength=self.size)
        norm = K1 * (1 - B + B * length / max(float(length.mean()) if self.size else 0.0, 1.0))
        frequency = counts.astype(np.float64)
        return (frequency * (K1 + 1) / (frequency + norm[owner])).astype(np.float32)


def _idf(size: int, held: Any) -> Any:
    """Of terms that so many of `size` chunks hold."""
    return np.log1p((size - held + 0.5) / (held + 0.5))
