# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from node0.finetune.rag.fusion import DEPTH, WORDS_SHARE, best, by_reciprocal_rank, by_score


def test_the_best_are_highest_first_and_the_earlier_of_two_alike() -> None:
    assert best(np.array([0, 2, 5, 2, -1], dtype=np.float32)) == [2, 1, 3]
    assert best(np.zeros(0, dtype=np.float32)) == []
    assert best(np.arange(1, 2 * DEPTH, dtype=np.float32)) == list(range(2 * DEPTH - 2, DEPTH - 2, -1))


def test_reciprocal_rank_adds_over_rankings() -> None:
    scores = by_reciprocal_rank([7, 3], [3])

    assert scores == pytest.approx({7: 1 / 61, 3: 1 / 62 + 1 / 61})


def test_a_convex_combination_divides_words_by_the_most_that_they_could_be() -> None:
    words, meaning = np.array([4, 0, 1], dtype=np.float32), np.array([0.5, 0.9, -0.4], dtype=np.float32)

    scores = by_score(words, meaning, rows=[0, 1, 2], most=8.0)

    rest = 1 - WORDS_SHARE
    assert scores == pytest.approx({0: WORDS_SHARE / 2 + rest / 2, 1: rest * 0.9, 2: WORDS_SHARE / 8})
    assert by_score(words, meaning, rows=[1], most=0.0) == pytest.approx({1: rest * 0.9})
