# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch

from node0.pipeline.decision import Totals, decide

WHOLE = Totals(6.0, 4)


def test_totals_add_up() -> None:
    assert Totals(1.5, 2) + Totals(2.5, 3) == Totals(4.0, 5)


def test_the_norm_is_of_the_average_over_all_stages() -> None:
    decision = decide(WHOLE, [9.0, 16.0], finite=[True, True], max_grad_norm=None)

    assert (decision.grad_norm, decision.stage_norms, decision.scale) == (1.25, (0.75, 1.0), 0.25)


def test_a_clip_is_torchs() -> None:
    weight = torch.nn.Parameter(torch.zeros(2))
    weight.grad = torch.tensor([3.0, 4.0]) / 4

    torch.nn.utils.clip_grad_norm_([weight], 0.5)
    decision = decide(WHOLE, [25.0], finite=[True], max_grad_norm=0.5)

    assert decision.scale is not None
    assert torch.allclose(torch.tensor([3.0, 4.0]) * decision.scale, weight.grad)


def test_a_small_gradient_is_not_made_larger() -> None:
    assert decide(WHOLE, [1e-6], finite=[True], max_grad_norm=1.0).scale == 0.25


@pytest.mark.parametrize(
    ("totals", "finite", "reason"),
    [
        (Totals(0.0, 0), [True, True], "the global batch has no supervised token"),
        (Totals(math.inf, 4), [True, True], "the loss is inf"),
        (Totals(math.nan, 4), [True, True], "the loss is nan"),
        (WHOLE, [True, False], "gradients of stage 1 are not finite"),
        (WHOLE, [False, False], "gradients of stage 0, 1 are not finite"),
    ],
)
def test_a_step_that_cannot_be_made_is_skipped_with_a_reason(
    totals: Totals, finite: list[bool], reason: str
) -> None:
    decision = decide(totals, [1.0, 1.0], finite=finite, max_grad_norm=1.0)

    assert (decision.scale, decision.reason) == (None, reason)
    assert decision.result(totals).skipped
