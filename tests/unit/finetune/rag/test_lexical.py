# SPDX-License-Identifier: Apache-2.0
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node0.finetune.rag.lexical import K1, B, LexicalIndex
from node0.finetune.rag.terms import coded_terms, words_of

WORDS = st.lists(st.sampled_from(["dog", "cat", "gt-abc12", "hook", "merge", "x9"]), max_size=12).map(
    " ".join
)


def by_formula(texts: list[str], query: str) -> list[float]:
    counted = [Counter(words_of(text)) for text in texts]
    mean = max(sum(one.total() for one in counted) / len(counted), 1.0)
    scores = []
    for one in counted:
        norm = K1 * (1 - B + B * one.total() / mean)
        total = 0.0
        for term in set(words_of(query)):
            held = sum(term in other for other in counted)
            idf = math.log(1 + (len(texts) - held + 0.5) / (held + 0.5))
            total += idf * one[term] * (K1 + 1) / (one[term] + norm) if one[term] else 0.0
        scores.append(total)
    return scores


@given(st.lists(WORDS, min_size=1, max_size=8), WORDS)
def test_scores_are_those_of_the_formula(texts: list[str], query: str) -> None:
    scores = LexicalIndex([coded_terms(text) for text in texts]).scores(query)

    np.testing.assert_allclose(scores, by_formula(texts, query), rtol=1e-4)


def test_a_chunk_that_holds_each_term_once_scores_the_sum_of_their_idf() -> None:
    index = LexicalIndex([coded_terms(text) for text in ("dog bone barn", "cat bone lamp", "cat hook lamp")])

    idf = index.idf("The dog: dog bone")

    assert idf.keys() == {"the", "dog", "bone"}
    assert idf["the"] > idf["dog"] > idf["bone"]
    assert index.scores("dog bone")[0] == pytest.approx(idf["dog"] + idf["bone"])


def test_an_empty_index_and_an_empty_question_find_nothing() -> None:
    assert LexicalIndex([]).scores("dog").shape == (0,)
    assert LexicalIndex([coded_terms("dog"), coded_terms("")]).scores("?!").tolist() == [0, 0]
    assert LexicalIndex([]).idf("dog")["dog"] > 0
    assert LexicalIndex([coded_terms("dog")]).idf("?!") == {}


def test_an_id_is_found_whole_before_what_shares_a_part() -> None:
    texts = ["gt-abc12 is closed", "gt-zz9 names abc12 alone", "gt-other"]

    scores = LexicalIndex([coded_terms(text) for text in texts]).scores("gt-abc12")

    assert scores.argmax() == 0
    assert scores[0] > 2 * scores[1]
