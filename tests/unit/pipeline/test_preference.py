# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch

from node0.errors import ConfigError
from node0.pipeline.preference import preference_loss
from node0.pipeline.protocol import Preference

LOGPS = torch.tensor([-1.0, -3.0, -2.0, -2.5])
REFERENCE = torch.tensor([-1.5, -2.0, -2.0, -2.0])


def test_the_loss_is_the_sum_over_pairs_of_the_papers_formula() -> None:
    margins = [(-1.0 + 1.5) - (-3.0 + 2.0), (-2.0 + 2.0) - (-2.5 + 2.0)]
    expected = sum(-math.log(1 / (1 + math.exp(-0.3 * margin))) for margin in margins)

    loss, gradient = preference_loss(LOGPS, REFERENCE, preference=Preference(beta=0.3))

    assert loss == pytest.approx(expected, rel=1e-6)
    slopes = [-0.3 / (1 + math.exp(0.3 * margin)) for margin in margins]
    wanted = torch.tensor([slopes[0], -slopes[0], slopes[1], -slopes[1]])
    assert torch.allclose(gradient, wanted, atol=1e-6)


def test_without_a_reference_the_pair_alone_counts() -> None:
    same = preference_loss(LOGPS, torch.zeros(4), preference=Preference())

    loss, gradient = preference_loss(LOGPS, None, preference=Preference(reference_free=True))

    assert loss == pytest.approx(same[0]) and torch.allclose(gradient, same[1])


@pytest.mark.parametrize(
    ("logps", "reference", "message"),
    [
        (LOGPS[:3], None, "3 rows are not pairs"),
        (LOGPS, REFERENCE[:2], "2 reference rows for 4 rows"),
    ],
)
def test_rows_that_do_not_pair_up_are_refused(
    logps: torch.Tensor, reference: torch.Tensor | None, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        preference_loss(logps, reference, preference=Preference())
