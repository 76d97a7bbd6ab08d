# SPDX-License-Identifier: Apache-2.0
"""Verdicts: pass, fail, or not enough was seen."""

from enum import StrEnum

from node0.finetune.statistics.tallies import Estimate


class Verdict(StrEnum):
    """What a measurement says."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


def against(estimate: Estimate, threshold: float) -> Verdict:
    """Pass where the lower bound reaches the threshold, fail where the upper one does not."""
    if estimate.low >= threshold:
        return Verdict.PASS
    return Verdict.FAIL if estimate.high < threshold else Verdict.INCONCLUSIVE
