# SPDX-License-Identifier: Apache-2.0
"""One ranking of two: by words and by meaning.

By reciprocal rank, which asks nothing of the scores: G. Cormack, C. Clarke, S. Buettcher, "Reciprocal rank
fusion outperforms Condorcet", SIGIR 2009. Or, where what both scores mean is known, by a convex combination
of them, each divided by the most that it could be: S. Bruch, S. Gai, A. Ingber, "An analysis of fusion
functions for hybrid retrieval", TOIS 42 (2023). The second sees that no word of a misspelt question is known.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from node0.finetune.rag.lexical import Scores

RECIPROCAL = 60
DEPTH = 100
"How far down each ranking is read."

WORDS_SHARE = 0.3
"Of the score by words in a convex combination: docs/rag.md says on what it was settled."


def best(scores: Scores) -> list[int]:
    """Places of the highest scores above zero, highest first; the earlier of two alike."""
    depth = min(DEPTH, len(scores))
    if not depth:
        return []
    top = np.argpartition(-scores, depth - 1)[:depth]
    top = top[scores[top] > 0]
    return [int(place) for place in top[np.lexsort((top, -scores[top]))]]


def by_reciprocal_rank(*rankings: Sequence[int]) -> Mapping[int, float]:
    """Sum of 1 / (60 + place) over the rankings, by row."""
    scores: dict[int, float] = {}
    for ranking in rankings:
        for place, row in enumerate(ranking, 1):
            scores[row] = scores.get(row, 0.0) + 1 / (RECIPROCAL + place)
    return scores


def by_score(words: Scores, meaning: Scores, *, rows: Sequence[int], most: float) -> Mapping[int, float]:
    """The convex combination for these rows.

    Args:
        words: (chunks,) BM25.
        meaning: (chunks,) cosines.
        rows: Those that either ranking has within its depth.
        most: What BM25 could give at most to this question.
    """
    share = WORDS_SHARE / most if most else 0.0
    return {
        row: share * float(words[row]) + (1 - WORDS_SHARE) * max(float(meaning[row]), 0.0) for row in rows
    }
