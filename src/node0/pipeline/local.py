# SPDX-License-Identifier: Apache-2.0
"""The local pipeline: all stages of a model in this process."""

import logging
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from node0.errors import ConfigError
from node0.lora.linear import DropoutKey
from node0.models.stage import Stage
from node0.pipeline.decision import Totals, decide
from node0.pipeline.local_session import LocalSession
from node0.pipeline.preference import preference_loss
from node0.pipeline.protocol import Microbatch, SamplingParams, StepResult, TrainStep
from node0.server.stage.executor import StageExecutor, StageInput
from node0.server.stage.gradient_sums import Share
from node0.server.stage.graphs import GraphBudget
from node0.server.stage.state_file import PATTERN, StateReader
from node0.server.stage.trained_weights import TrainedWeights
from node0.stage_settings import OptimizerConfig

logger = logging.getLogger(__name__)


class LocalPipeline:
    """A `Pipeline` whose stages are called one after the other.

    `train_step` is `accumulate` and `commit`; between the two every gradient can be read from
    `executors`.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        *,
        optimizer: OptimizerConfig | None = None,
        graph_budget: int | None = None,
        adapter: str | None = None,
    ) -> None:
        """Drive these stages, first to last.

        Args:
            stages: their weights; those that require a gradient train, and must be float32.
            optimizer: AdamW's settings and the clip.
            graph_budget: bytes that autograd may keep; beyond it layers are recomputed.
            adapter: the adapter that is trained and used; None takes the one that is active.
        """
        if not stages or not stages[0].has_embedding or not stages[-1].has_head:
            raise ConfigError("stages must run from the one that embeds to the one that predicts")
        self.optimizer = optimizer or OptimizerConfig()
        graphs = GraphBudget(graph_budget)
        self.executors = tuple(
            StageExecutor(stage, TrainedWeights(stage, self.optimizer), graphs=graphs, adapter=adapter)
            for stage in stages
        )
        self.adapter = adapter or next((e.adapter for e in self.executors if e.adapter), None)
        self._share = Share()

    @property
    def stages(self) -> list[Stage]:
        """The stages, first to last."""
        return [executor.stage for executor in self.executors]

    @property
    def version(self) -> int:
        """Optimizer steps that were applied."""
        return self.executors[0].trained.version

    def assign(self, share: Share) -> None:
        """Work on these microbatches of each global batch from now on; the others are someone else's."""
        self._share = share
        for executor in self.executors:
            executor.trained.gradients.assign(share)

    def train_step(self, microbatches: Sequence[Microbatch], step: TrainStep) -> StepResult:
        """Forward, backward, one clipped optimizer step; skipped everywhere or nowhere."""
        return self.commit(self.accumulate(microbatches, step), step)

    def accumulate(self, microbatches: Sequence[Microbatch], step: TrainStep) -> Totals:
        """Forward and backward of all microbatches taken. Gradients are summed, no weight moves."""
        losses: list[Tensor | float] = []
        count = row = 0
        try:
            for index, microbatch in enumerate(microbatches):
                rows = slice(row, row := row + microbatch.input_ids.shape[0])
                if index not in self._share:
                    continue
                key = DropoutKey(step.seed, step.step, index)
                loss: Tensor | float
                if step.loss == "sft":
                    loss, counted = self._supervised(microbatch, key)
                else:
                    loss, counted = self._preference(microbatch, key, step, rows)
                losses.append(loss)
                count += counted
            self._join_tied()
            # Read behind the last pass: a device computes on while the host prepares the next one.
            return Totals(sum(map(float, losses)), count)
        except BaseException:
            self.abort()
            raise

    def commit(self, totals: Totals, step: TrainStep) -> StepResult:
        """One optimizer step on the gradients that were accumulated, or none if they are not finite."""
        prepared = [executor.trained.prepare() for executor in self.executors]
        decision = decide(
            totals,
            [stage.squared_norm for stage in prepared],
            finite=[stage.finite for stage in prepared],
            max_grad_norm=self.optimizer.max_grad_norm,
        )
        if decision.scale is None:
            logger.warning("step %d skipped, no weight moved: %s", step.step, decision.reason)
            self.abort()
            return decision.result(totals)
        version = self.version + 1
        for executor in self.executors:
            executor.trained.apply(version, lr=step.lr, scale=decision.scale)
        return decision.result(totals)

    def abort(self) -> None:
        """Forget the gradients of a step that was not committed."""
        for executor in self.executors:
            executor.abort()

    def score(self, microbatch: Microbatch, *, adapter: bool = True) -> Tensor:
        """Log probability of each label: float32 (rows, tokens), 0 where not supervised."""
        name = self.adapter if adapter else None
        x, positions = microbatch.input_ids, microbatch.positions
        for executor in self.executors[:-1]:
            x = executor.hidden(x, positions, adapter=name)
        return self.executors[-1].score(x, positions, microbatch.labels, adapter=name)

    def session(self, params: SamplingParams, *, max_length: int, adapter: str | None = None) -> LocalSession:
        """Open a sequence of at most `max_length` tokens. `adapter=None` is the one the pipeline has on."""
        return LocalSession(self.executors, params, max_length=max_length, adapter=adapter or self.adapter)

    def save(self, directory: Path) -> None:
        """Write all stages' trained weights and optimizer state below `directory`; same state, same bytes."""
        names = [f"state-{index:03}.safetensors" for index in range(len(self.executors))]
        for name, executor in zip(names, self.executors, strict=True):
            executor.trained.save(directory / name)
        for path in directory.glob(PATTERN):
            if path.name not in names:
                path.unlink()

    def load(self, directory: Path) -> None:
        """Read back what `save` wrote, whatever the number of stages was then.

        Raises:
            BadCheckpoint: a tensor is absent or of another shape, or there is no state.
        """
        self.abort()
        with StateReader(directory) as reader:
            for executor in self.executors:
                executor.trained.load(reader)

    def close(self) -> None:
        """Free what the stages hold."""
        self.abort()

    def _supervised(self, microbatch: Microbatch, key: DropoutKey) -> tuple[Tensor, int]:
        x = self._forward(microbatch, key)
        given = self._input(len(self.executors) - 1, x, microbatch.positions, key)
        result = self.executors[-1].train_tail(given, microbatch.labels)
        self._backward(key.microbatch, result.gradient)
        return result.loss_sum, result.n_tokens

    def _preference(
        self, microbatch: Microbatch, key: DropoutKey, step: TrainStep, rows: slice
    ) -> tuple[float, int]:
        reference = self._reference(microbatch, step, rows)
        x = self._forward(microbatch, key)
        given = self._input(len(self.executors) - 1, x, microbatch.positions, key)
        logps = self.executors[-1].forward_logps(given, microbatch.labels)
        loss_sum, gradient = preference_loss(logps, reference, preference=step.preference)
        self._backward(key.microbatch, self.executors[-1].backward(key.microbatch, gradient))
        return loss_sum, logps.shape[0] // 2

    def _reference(self, microbatch: Microbatch, step: TrainStep, rows: slice) -> Tensor | None:
        if step.preference.reference_free:
            return None
        if step.reference_logps is not None:
            return step.reference_logps[rows]
        if self.adapter is None:
            raise ConfigError("without an adapter the reference is gone after one step; give reference_logps")
        return self.score(microbatch, adapter=False).sum(dim=1)

    def _forward(self, microbatch: Microbatch, key: DropoutKey) -> Tensor:
        """Through all stages but the last."""
        x = microbatch.input_ids
        for index, executor in enumerate(self.executors[:-1]):
            x = executor.forward(self._input(index, x, microbatch.positions, key))
        return x

    def _backward(self, microbatch: int, gradient: Tensor | None) -> None:
        """Back through all stages but the last; each takes part, so that none waits for this microbatch."""
        for executor in reversed(self.executors[:-1]):
            gradient = executor.backward(microbatch, gradient)

    def _input(self, index: int, x: Tensor, positions: Tensor, key: DropoutKey) -> StageInput:
        trains_below = any(executor.trained.weights for executor in self.executors[:index])
        return StageInput(x, positions, key, input_gradient=trains_below)

    def _join_tied(self) -> None:
        """Both copies of a tied table get the sum of their gradients; the norm counts it once."""
        head, tail = self.executors[0].trained.gradients, self.executors[-1].trained.gradients
        at_head, at_tail = head.tied(), tail.tied()
        if at_head is None or at_tail is None:
            return
        total = at_head + at_tail.to(at_head.device)
        head.replace_tied(total, counted=True)
        tail.replace_tied(total.to(at_tail.device), counted=False)
