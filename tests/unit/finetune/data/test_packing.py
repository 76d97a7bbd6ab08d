# SPDX-License-Identifier: Apache-2.0
import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node0.finetune.data.packing import pack, steps

LENGTHS = st.lists(st.integers(1, 32), min_size=1, max_size=60)


@given(lengths=LENGTHS, seed=st.integers(0, 5))
def test_packing_places_each_document_once_within_the_row(lengths: list[int], seed: int) -> None:
    order = list(range(len(lengths)))
    random.Random(seed).shuffle(order)

    rows = pack(lengths, 32, order=order)

    assert sorted(index for row in rows for index in row) == list(range(len(lengths)))
    assert all(sum(lengths[index] for index in row) <= 32 for row in rows)


@given(lengths=LENGTHS)
def test_packing_equals_first_fit_decreasing_by_hand(lengths: list[int]) -> None:
    order = range(len(lengths))
    by_hand: list[list[int]] = []
    for index in sorted(order, key=lambda index: -lengths[index]):
        fitting = (row for row in by_hand if sum(lengths[i] for i in row) + lengths[index] <= 32)
        row = next(fitting, None)
        if row is None:
            by_hand.append([index])
        else:
            row.append(index)

    assert pack(lengths, 32, order=order) == by_hand


def test_another_order_packs_otherwise() -> None:
    lengths = [3] * 20

    assert pack(lengths, 9, order=range(20)) != pack(lengths, 9, order=range(19, -1, -1))


def test_a_document_longer_than_a_row_is_refused() -> None:
    with pytest.raises(ValueError, match="33 tokens"):
        pack([33], 32, order=[0])


@settings(deadline=None)
@given(widths=LENGTHS, microbatches=st.integers(1, 4), tokens=st.integers(8, 96))
def test_steps_take_each_row_once_in_order_within_the_budget(
    widths: list[int], microbatches: int, tokens: int
) -> None:
    planned = list(steps(widths, microbatches=microbatches, tokens=tokens, order=range(len(widths))))

    flat = [sorted(row for members in step for row in members) for step in planned]
    assert [row for step in flat for row in step] == list(range(len(widths)))
    for step in planned:
        assert 1 <= len(step) <= microbatches
        for members in step:
            assert len(members) == 1 or len(members) * max(widths[row] for row in members) <= tokens
    assert all(before[-1] < after[0] for before, after in pairwise(flat))


def test_microbatches_of_a_step_hold_about_the_same() -> None:
    widths = [30, 28, 10, 9, 8, 7, 6, 5, 4, 3]

    (step,) = steps(widths, microbatches=2, tokens=400, order=range(10))

    totals = [sum(widths[row] for row in members) for members in step]
    assert abs(totals[0] - totals[1]) <= 3
