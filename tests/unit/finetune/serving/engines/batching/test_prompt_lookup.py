# SPDX-License-Identifier: Apache-2.0
from node0.finetune.serving.engines.batching.prompt_lookup import LONGEST, PromptLookup


def test_what_followed_the_last_ids_before_is_guessed_from_the_latest_place() -> None:
    ids = [1, 2, 3, 4, 5, 9, 1, 2, 3, 6, 7, 8, 1, 2, 3]

    assert PromptLookup().guess(ids, 8) == [6, 7, 8, 1]
    assert PromptLookup().guess(ids, 2) == [6, 7]


def test_nothing_is_guessed_where_nothing_came_twice_or_nothing_may_follow() -> None:
    assert PromptLookup().guess([1, 2, 3, 4, 5], 8) == []
    assert PromptLookup().guess([1, 2], 8) == []
    assert PromptLookup().guess([1, 2, 3, 4, 1, 2, 3], 0) == []


def test_ids_that_came_since_are_part_of_the_context() -> None:
    lookup, ids = PromptLookup(), [1, 2, 3]
    assert lookup.guess(ids, 8) == []
    ids += [4, 5, 1, 2, 3]

    assert lookup.guess(ids, 8) == [4, 5, 1, 2]


def test_right_guesses_reach_further_and_wrong_ones_less_far() -> None:
    lookup, ids = PromptLookup(), [*range(40), 0, 1, 2]

    lookup.learn(4, 4)
    assert len(lookup.guess(ids, 99)) == 8
    lookup.learn(8, 8)
    assert len(lookup.guess(ids, 99)) == LONGEST
    lookup.learn(12, 0)
    assert len(lookup.guess(ids, 99)) == 1
