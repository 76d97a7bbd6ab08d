# SPDX-License-Identifier: Apache-2.0
import pytest

from node0.finetune.statistics.tallies import Estimate
from node0.finetune.statistics.verdict import Verdict, against


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.8, 0.9, Verdict.PASS), (0.7, 0.79, Verdict.FAIL), (0.7, 0.8, Verdict.INCONCLUSIVE)],
)
def test_bounds_on_one_side_decide_and_others_do_not(low: float, high: float, verdict: Verdict) -> None:
    assert against(Estimate(0.8, low, high, 40), 0.8) is verdict
