# SPDX-License-Identifier: Apache-2.0
"""One ranking of two: by words, trusted as far as a question's words are known, and by meaning.

By reciprocal rank, which asks nothing of the scores: G. Cormack, C. Clarke, S. Buettcher, "Reciprocal rank
fusion outperforms Condorcet", SIGIR 2009. Or, where what both scores mean is known, by a convex combination
of them: S. Bruch, S. Gai, A. Ingber, "An analysis of fusion functions for hybrid retrieval", TOIS 42 (2023).
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from node0.finetune.rag.lexical import Scores

RECIPROCAL = 60
DEPTH = 100
"How far down each ranking is read."

WORDS_SHARE = 0.5
"Of a joined score that words have when one chunk holds the whole question."

NEAR_DEPTH = 50
"Chunks that are read for words that stand together."


def words_share(words: Scores, whole: float) -> float:
    """How far words are trusted: half, times the share of the question that its best chunk holds.

    Args:
        words: (chunks,) BM25.
        whole: What a chunk scores that holds all of the question. Misspelt words, which no chunk knows, are
            a part of it that none reaches.
    """
    return WORDS_SHARE * min(1.0, float(words.max()) / whole) if whole and len(words) else 0.0


def best(scores: Scores) -> list[int]:
    """Places of the highest scores above zero, highest first; the earlier of two alike."""
    depth = min(DEPTH, len(scores))
    if not depth:
        return []
    top = np.argpartition(-scores, depth - 1)[:depth]
    top = top[scores[top] > 0]
    return [int(place) for place in top[np.lexsort((top, -scores[top]))]]


def by_reciprocal_rank(words: Sequence[int], meaning: Sequence[int], *, share: float) -> Mapping[int, float]:
    """Sum of weight / (60 + place) over both rankings, by row; `share` is the weight of words of the two."""
    scores: dict[int, float] = {}
    for ranking, weight in ((words, share), (meaning, 1 - share)):
        for place, row in enumerate(ranking, 1):
            scores[row] = scores.get(row, 0.0) + weight / (RECIPROCAL + place)
    return scores


def by_score(
    words: Scores, meaning: Scores, *, rows: Sequence[int], whole: float, share: float
) -> Mapping[int, float]:
    """The convex combination for these rows.

    Args:
        words: (chunks,) BM25.
        meaning: (chunks,) cosines.
        rows: Those that either ranking has within its depth.
        whole: What BM25 gives a chunk that holds all of the question.
        share: Of words.
    """
    each = share / whole if whole else 0.0
    return {row: each * float(words[row]) + (1 - share) * max(float(meaning[row]), 0.0) for row in rows}


def raised(scores: Mapping[int, float], near: Callable[[int], float]) -> Mapping[int, float]:
    """The scores, the best of them raised by how much of the question stands together in a row, 0 to 1."""
    top = sorted(scores, key=lambda row: (-scores[row], row))[:NEAR_DEPTH]
    return {**scores, **{row: scores[row] * (1 + near(row)) for row in top}}
