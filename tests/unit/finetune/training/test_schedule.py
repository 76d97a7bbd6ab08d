# SPDX-License-Identifier: Apache-2.0
import math

import pytest

from node0.finetune.training.schedule import Schedule


@pytest.mark.parametrize("shape", ["linear", "cosine", "constant"])
def test_the_rate_rises_from_zero_to_the_peak(shape):
    schedule = Schedule(peak=1.0, warmup=4, total=10, shape=shape)

    assert [schedule.lr(step) for step in range(5)] == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_linear_falls_to_zero_at_the_last_step():
    schedule = Schedule(peak=2.0, warmup=2, total=6, shape="linear")

    assert [schedule.lr(step) for step in range(2, 7)] == [2.0, 1.5, 1.0, 0.5, 0.0]


def test_cosine_is_half_way_in_the_middle():
    schedule = Schedule(peak=2.0, warmup=0, total=8, shape="cosine")

    assert schedule.lr(4) == pytest.approx(1.0)
    assert schedule.lr(2) == pytest.approx(1 + math.cos(math.pi / 4))
    assert schedule.lr(8) == pytest.approx(0.0)


def test_constant_stays():
    schedule = Schedule(peak=2.0, warmup=0, total=3, shape="constant")

    assert [schedule.lr(step) for step in (0, 2, 50)] == [2.0, 2.0, 2.0]


def test_a_run_shorter_than_its_warm_up_never_divides_by_zero():
    schedule = Schedule(peak=1.0, warmup=100, total=10, shape="linear")

    assert schedule.lr(9) == pytest.approx(0.09)
    assert schedule.lr(100) == pytest.approx(1.0)
