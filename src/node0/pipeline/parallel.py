# SPDX-License-Identifier: Apache-2.0
"""The data-parallel pipeline: the same stages in several ranks, each with its share of every batch."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from node0.pipeline.decision import Totals
from node0.pipeline.local import LocalPipeline
from node0.pipeline.local_session import LocalSession
from node0.pipeline.protocol import Microbatch, SamplingParams, StepResult, TrainStep
from node0.pipeline.ranks import Ranks


class DataParallelPipeline:
    """A `Pipeline` over one `LocalPipeline` a rank, whose weights are the same on all ranks.

    `train_step` takes the whole global batch on every rank. What was summed is the same on all ranks,
    so all of them clip, step or skip alike. Scores and sessions are a rank's own.
    """

    def __init__(self, local: LocalPipeline, ranks: Ranks) -> None:
        """Share the microbatches of `local` among `ranks`."""
        self.local, self.ranks = local, ranks
        local.assign(ranks.share)

    def train_step(self, microbatches: Sequence[Microbatch], step: TrainStep) -> StepResult:
        """Forward and backward of this rank's microbatches, then one step on the gradients of all ranks."""
        totals = self.local.accumulate(microbatches, step)
        try:
            totals = self._add_up(totals)
        except BaseException:
            self.local.abort()
            raise
        return self.local.commit(totals, step)

    def score(self, microbatch: Microbatch, *, adapter: bool = True) -> Tensor:
        """Log probability of each label: float32 (rows, tokens), 0 where not supervised."""
        return self.local.score(microbatch, adapter=adapter)

    def session(self, params: SamplingParams, *, max_length: int, adapter: str | None = None) -> LocalSession:
        """Open a sequence of at most `max_length` tokens. `adapter=None` is the one the pipeline has on."""
        return self.local.session(params, max_length=max_length, adapter=adapter)

    def save(self, directory: Path) -> None:
        """Write trained weights and optimizer state; one rank's are those of all."""
        self.local.save(directory)

    def load(self, directory: Path) -> None:
        """Read back what `save` wrote, whatever the number of ranks or stages was then."""
        self.local.load(directory)

    def close(self) -> None:
        """Free what the stages hold."""
        self.local.close()

    def _add_up(self, totals: Totals) -> Totals:
        weights = [
            weight for executor in self.local.executors for weight in executor.trained.weights.values()
        ]
        reached = [float(weight.grad is not None) for weight in weights]
        loss_sum, count, *reached = self.ranks.total([totals.loss_sum, totals.count, *reached])
        gradients = []
        for weight, ranks in zip(weights, reached, strict=True):
            # What no rank has reached stays without a gradient, so that the optimizer leaves it alone.
            if ranks and weight.grad is None:
                weight.grad = torch.zeros_like(weight)
            if weight.grad is not None:
                gradients.append(weight.grad)
        self.ranks.add_up(gradients)
        return Totals(loss_sum, round(count))
