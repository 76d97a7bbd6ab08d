# SPDX-License-Identifier: Apache-2.0
"""Placement of a run: which processes share it, and where its stages are."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from node0.finetune.training.engines.run_engine import Engine, build_engine
from node0.finetune.training.plan.run_plan import RunPlan
from node0.pipeline.ranks import ALONE, Ranks

OpenEngine = Callable[[RunPlan], AbstractContextManager[Engine]]


@dataclass(frozen=True, slots=True)
class Placement:
    """By default one process, which holds every stage."""

    ranks: Ranks = ALONE
    remote: OpenEngine | None = None
    "Makes an engine whose stages are not in this process; it is closed at the end of the run."

    def open(self, plan: RunPlan) -> AbstractContextManager[Engine]:
        """The engine of a plan."""
        if self.remote is not None:
            return self.remote(plan)
        return nullcontext(build_engine(plan, self.ranks))


IN_PROCESS = Placement()
