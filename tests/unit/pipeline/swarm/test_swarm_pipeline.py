# SPDX-License-Identifier: Apache-2.0
"""What fails again and again is given up; what fails now and then is not."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from node0.errors import RetriableError, SwarmTimeout
from node0.pipeline.protocol import Microbatch
from node0.pipeline.swarm.swarm_pipeline import FEWEST_TRIES, RetryBudget, SwarmPipeline

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


class Answering:
    """A roster whose stages send these scores, one after the other."""

    def __init__(self, *scores: Tensor) -> None:
        self._scores = iter(scores)

    async def score(self, microbatch: Microbatch, *, adapter: bool) -> Tensor:
        return next(self._scores)


class Scoring(SwarmPipeline):
    """Works with a given roster, and remembers what it recovered from."""

    def __init__(self, roster: Any) -> None:
        self.roster, self.faults = roster, list[str]()

    def retry_budget(self) -> RetryBudget:
        return RetryBudget(60.0)

    def run(self, call: Callable[[], Awaitable[Any]]) -> Any:
        async def awaited() -> Any:
            return await call()

        return asyncio.run(awaited())

    def recover(self, fault: RetriableError) -> None:
        self.faults.append(str(fault))


def test_scores_that_are_not_of_the_labels_are_asked_for_again() -> None:
    ids = torch.zeros(2, 4, dtype=torch.int64)
    right = torch.ones(2, 4)
    pipeline = Scoring(Answering(torch.tensor(1.0), torch.ones(2, 3), ids, right))

    assert pipeline.score(Microbatch(ids, ids, ids)) is right
    assert pipeline.faults == ["scores of (2, 4) labels have another shape or type"] * 3
