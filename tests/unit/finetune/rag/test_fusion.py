# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from node0.finetune.rag.fusion import (
    DEPTH,
    NEAR_DEPTH,
    WORDS_SHARE,
    best,
    by_reciprocal_rank,
    by_score,
    raised,
    words_share,
)


def test_the_best_are_highest_first_and_the_earlier_of_two_alike() -> None:
    assert best(np.array([0, 2, 5, 2, -1], dtype=np.float32)) == [2, 1, 3]
    assert best(np.zeros(0, dtype=np.float32)) == []
    assert best(np.arange(1, 2 * DEPTH, dtype=np.float32)) == list(range(2 * DEPTH - 2, DEPTH - 2, -1))


def test_words_are_trusted_by_half_of_how_much_of_the_question_one_chunk_holds() -> None:
    words = np.array([0, 3, 1], dtype=np.float32)

    assert words_share(words, 4.0) == pytest.approx(WORDS_SHARE * 3 / 4)
    assert words_share(words, 2.0) == WORDS_SHARE
    assert words_share(0 * words, 4.0) == words_share(words, 0.0) == words_share(words[:0], 4.0) == 0


def test_reciprocal_rank_adds_over_both_rankings_by_their_shares() -> None:
    scores = by_reciprocal_rank([7, 3], [3], share=0.25)

    assert scores == pytest.approx({7: 0.25 / 61, 3: 0.25 / 62 + 0.75 / 61})


def test_a_convex_combination_divides_words_by_what_a_whole_answer_scores() -> None:
    words, meaning = np.array([4, 0, 1], dtype=np.float32), np.array([0.5, 0.9, -0.4], dtype=np.float32)

    scores = by_score(words, meaning, rows=[0, 1, 2], whole=8.0, share=0.25)

    assert scores == pytest.approx({0: 0.25 / 2 + 0.75 / 2, 1: 0.75 * 0.9, 2: 0.25 / 8})
    assert by_score(words, meaning, rows=[1], whole=0.0, share=0.0) == pytest.approx({1: 0.9})


def test_the_best_are_raised_by_what_stands_together_and_the_others_are_not_read() -> None:
    scores = {row: 1.0 / (row + 1) for row in range(2 * NEAR_DEPTH)}
    read: list[int] = []

    found = raised(scores, lambda row: read.append(row) or (0.5 if row == 3 else 0.0))

    assert found == {**scores, 3: 1.5 / 4}
    assert read == list(range(NEAR_DEPTH))
