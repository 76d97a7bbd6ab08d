# SPDX-License-Identifier: Apache-2.0
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node0.finetune.rag.nearness import WINDOW, Nearness
from node0.finetune.rag.terms import words_of

WORDS = st.lists(st.sampled_from(["dog", "cat", "gt-abc12", "hook", "x9"]), max_size=9)


def share(question: str, text: str, **weights: float) -> float:
    """With a weight of 1 for each term that has no other."""
    return Nearness(question, dict.fromkeys(words_of(question), 1.0) | weights).share(text)


def by_looking(question: list[str], text: list[str]) -> float:
    """The share of the pairs of neighbours of which the first stands within WINDOW before the second."""
    pairs = set(pairwise(question))
    places = [(i, j) for j in range(len(text)) for i in range(max(0, j - WINDOW + 1), j)]
    near = {(text[i], text[j]) for i, j in places}
    return len(pairs & near) / len(pairs) if pairs else 0.0


@given(WORDS, WORDS)
def test_the_share_is_that_of_the_pairs_that_stand_together(question: list[str], text: list[str]) -> None:
    terms = [words_of(" ".join(words)) for words in (question, text)]

    assert share(" ".join(question), " ".join(text)) == pytest.approx(by_looking(*terms))


def test_a_quoted_passage_stands_together_wholly_in_other_case_and_signs() -> None:
    assert share("The lamp, broken", "Who saw it? the LAMP broken: twice") == 1


def test_words_apart_or_in_another_order_do_not_stand_together() -> None:
    assert share("merge queue", f"merge {'x ' * (WINDOW - 2)}queue") == 1
    assert share("merge queue", f"merge {'x ' * (WINDOW - 1)}queue") == 0
    assert share("merge queue", "queue merge") == 0


def test_a_pair_of_rare_words_counts_for_more() -> None:
    assert share("the old boat", "old boat", boat=4.0) == pytest.approx(5 / 7)


@pytest.mark.parametrize("question", ["", "?!", "lamp"])
def test_a_question_without_pairs_finds_none(question: str) -> None:
    assert share(question, "lamp lamp") == 0
