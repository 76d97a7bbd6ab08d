# SPDX-License-Identifier: Apache-2.0
"""What fails again and again is given up; what fails now and then is not."""

import pytest

from node0.errors import RetriableError, SwarmTimeout
from node0.pipeline.swarm.retry_budget import FEWEST_TRIES, RetryBudget

FAULT = RetriableError("stage 1 is lost")


def test_a_thing_is_given_up_when_its_time_is_over() -> None:
    budget = RetryBudget(-1.0)
    for _ in range(FEWEST_TRIES - 1):
        budget.spend(FAULT)

    with pytest.raises(SwarmTimeout, match="given up after 3 tries in 0 s: stage 1 is lost"):
        budget.spend(FAULT)


def test_any_number_of_losses_is_survived_in_time() -> None:
    budget = RetryBudget(60.0)
    for _ in range(100):
        budget.spend(FAULT)
