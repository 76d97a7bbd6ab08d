# SPDX-License-Identifier: Apache-2.0
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node0.finetune.statistics.wilson import Z_95, wilson

items = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(items)
def test_the_bounds_solve_the_equation_of_the_score_test(case: tuple[int, int]) -> None:
    hits, count = case

    for bound in wilson(hits, count):
        distance = abs(hits / count - bound)
        assert math.isclose(distance, Z_95 * math.sqrt(bound * (1 - bound) / count), abs_tol=1e-7)


@given(items)
def test_the_share_lies_between_the_bounds(case: tuple[int, int]) -> None:
    hits, count = case
    low, high = wilson(hits, count)

    assert 0 <= low <= hits / count + 1e-12
    assert hits / count - 1e-12 <= high <= 1


def test_nothing_measured_says_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("hits", "count"), [(2, 1), (-1, 1)])
def test_what_is_no_share_is_refused(hits: int, count: int) -> None:
    with pytest.raises(ValueError, match="hits"):
        wilson(hits, count)
