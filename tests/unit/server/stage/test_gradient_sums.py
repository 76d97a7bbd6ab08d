# SPDX-License-Identifier: Apache-2.0
from collections.abc import Callable
from itertools import permutations

import pytest
import torch
from torch import nn

from node0.errors import ConfigError, RetriableError
from node0.server.stage.gradient_sums import GradientSums, Share


def _weights() -> dict[str, nn.Parameter]:
    return {"a": nn.Parameter(torch.zeros(3)), "b": nn.Parameter(torch.zeros(2))}


def _backward(weights: dict[str, nn.Parameter], index: int) -> Callable[[], None]:
    """The pass of a microbatch, whose gradients are too unequal to be summed in any order."""
    factors = [1e8, 1.0, -1e8, 3.0]
    return lambda: (weights["a"] * factors[index]).sum().backward()


def test_the_sum_is_that_of_the_microbatches_in_order_whoever_was_faster() -> None:
    found = set()
    for order in permutations(range(4)):
        weights = _weights()
        sums = GradientSums(weights)
        for index in order:
            sums.accumulate(index, _backward(weights, index))
        found.add(tuple(sums.by_name()["a"].tolist()))
        assert sums.microbatches == 4

    assert len(found) == 1


def test_a_weight_that_nothing_reached_is_zero_in_the_export_alone() -> None:
    weights = _weights()
    sums = GradientSums(weights)
    sums.accumulate(0, _backward(weights, 1))

    assert sums.by_name().keys() == {"a"}
    assert [total.tolist() for total in sums.export()] == [[1.0] * 3, [0.0] * 2]
    assert sums.squared_norm() == pytest.approx(3.0)


def test_sums_of_all_replicas_replace_ones_own_and_are_scaled() -> None:
    sums = GradientSums(_weights())

    sums.replace([torch.full((3,), 2.0), torch.full((2,), 4.0)])
    sums.scale(0.5)

    assert [total.tolist() for total in sums.export()] == [[1.0] * 3, [2.0] * 2]


def test_a_share_takes_its_own_microbatches_and_refuses_the_others() -> None:
    weights = _weights()
    sums = GradientSums(weights)
    sums.assign(Share(1, 2))

    sums.accumulate(3, _backward(weights, 3))
    assert sums.microbatches == 0
    sums.accumulate(1, _backward(weights, 1))

    assert sums.microbatches == 2
    for index, why in ((0, "another replica's"), (1, "accumulated before")):
        with pytest.raises(RetriableError, match=why):
            sums.accumulate(index, _backward(weights, 0))


def test_cleared_sums_expect_the_same_share_again() -> None:
    weights = _weights()
    sums = GradientSums(weights)
    sums.assign(Share(1, 3))
    sums.accumulate(1, _backward(weights, 1))

    sums.clear()

    assert sums.by_name() == {} and sums.microbatches == 0
    sums.accumulate(1, _backward(weights, 1))
    assert sums.microbatches == 1


def test_a_tied_table_is_counted_at_one_of_its_ends() -> None:
    sums = GradientSums(_weights(), tied_name="b")
    total = torch.full((2,), 3.0)

    sums.replace_tied(total, counted=True)
    counted = sums.squared_norm()
    sums.replace_tied(total, counted=False)

    assert (counted, sums.squared_norm()) == (pytest.approx(18.0), 0.0)
    with pytest.raises(ConfigError, match="no copy of a tied table"):
        GradientSums(_weights()).replace_tied(total, counted=True)
