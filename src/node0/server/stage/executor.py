# SPDX-License-Identifier: Apache-2.0
"""The stage executor: forward and backward passes of microbatches, scores, tokens of sequences.

The executor knows its own stage and nothing of the others, nor how tensors travel. Whoever drives
it passes microbatches in and out, and makes the step on its `trained` weights: everywhere or nowhere.
"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from node0.errors import RetriableError
from node0.lora.adapter import dropout_key, lora_layers, set_adapter
from node0.lora.linear import DropoutKey
from node0.models.device import moved
from node0.models.stage import Head, Stage
from node0.server.stage.cached_sequence import CachedSequence
from node0.server.stage.graphs import GraphBudget, GraphMeter
from node0.server.stage.trained_weights import TrainedWeights


@dataclass(frozen=True, slots=True)
class StageInput:
    """What one microbatch brings to a stage."""

    x: Tensor
    "int64 ids (rows, tokens) where the stage embeds, else hidden (rows, tokens, width)."

    positions: Tensor
    "int64 (rows, tokens); 0 starts a document."

    key: DropoutKey
    "`key.microbatch` is the index of the microbatch in its global batch."

    input_gradient: bool = False
    "Whether a stage below wants the gradient of `x`."


@dataclass(frozen=True, slots=True)
class TailResult:
    """What a fused visit to the tail gives."""

    loss_sum: Tensor
    "float32 scalar on the stage's device: to read it is to wait for the pass."

    n_tokens: int
    gradient: Tensor | None
    "Of the input; None unless it was asked for."


@dataclass(frozen=True, slots=True)
class _Pass:
    """A microbatch between its forward and its backward pass."""

    given: StageInput
    x: Tensor
    output: Tensor
    meter: GraphMeter


class StageExecutor:
    """Runs one stage. Not thread-safe: one compute thread calls it."""

    def __init__(
        self,
        stage: Stage,
        trained: TrainedWeights | None = None,
        *,
        graphs: GraphBudget | None = None,
        adapter: str | None = None,
    ) -> None:
        """Drive `stage`.

        Args:
            stage: its weights.
            trained: those of them that train; None takes all that require a gradient.
            graphs: what autograd may keep; None is without limit.
            adapter: the adapter that is trained and used; None takes the one that is active.
        """
        self.stage = stage
        self.trained = trained or TrainedWeights(stage)
        self._graphs = graphs or GraphBudget()
        self._active = next((layer.active for _, layer in lora_layers(stage) if layer.active), None)
        self.adapter = adapter or self._active
        self._passes: dict[int, _Pass] = {}

    def forward(self, given: StageInput) -> Tensor:
        """Pass a microbatch on and keep its graph. Returns the residual stream, detached."""
        x = self._leaf(given)
        meter = GraphMeter(self._graphs, self.stage.parameters())
        with meter:
            hidden = self._hidden(x, given, meter)
        return self._keep(_Pass(given, x, hidden, meter))

    def forward_logps(self, given: StageInput, labels: Tensor) -> Tensor:
        """As `forward`, through the LM head: log probability of each row's labels, float32 (rows,)."""
        x = self._leaf(given)
        meter = GraphMeter(self._graphs, self.stage.parameters())
        with meter:
            hidden = self._hidden(x, given, meter)
            logps = self._tail.label_logps(hidden, labels).sum(dim=1)
        return self._keep(_Pass(given, x, logps, meter))

    def backward(self, microbatch: int, gradient: Tensor | None) -> Tensor | None:
        """Take the gradient of what a forward pass returned; accumulate; return that of its input.

        None where nothing trains: the microbatch then adds nothing, and the next one may follow.

        Raises:
            RetriableError: the microbatch has no pass here.
        """
        done = self._passes.pop(microbatch, None)
        if done is None:
            raise RetriableError(
                f"microbatch {microbatch} has no forward pass here; abort the step and replay it"
            )
        return self._backward(done, gradient)

    def train_tail(self, given: StageInput, labels: Tensor) -> TailResult:
        """Forward and backward of a microbatch in one visit: sum of cross-entropies over its labels.

        labels: int64 (rows, tokens), IGNORE where not supervised.
        """
        x = self._leaf(given)
        meter = GraphMeter(self._graphs, self.stage.parameters())
        with meter:
            hidden = self._hidden(x, given, meter)
            loss, n_tokens = self._tail.chunked_loss(hidden, labels)
        gradient = self._backward(_Pass(given, x, loss, meter), torch.ones_like(loss))
        return TailResult(loss.detach(), n_tokens, gradient)

    @torch.no_grad()
    def hidden(self, x: Tensor, positions: Tensor, *, adapter: str | None) -> Tensor:
        """The residual stream without a graph and without dropout. `adapter=None` is the base alone."""
        self._ready(training=False, adapter=adapter)
        return self.stage.forward_hidden(self._moved(x), positions)

    @torch.no_grad()
    def score(self, x: Tensor, positions: Tensor, labels: Tensor, *, adapter: str | None) -> Tensor:
        """`hidden` through the LM head: log probability of each label, float32 (rows, tokens), else 0."""
        hidden = self.hidden(x, positions, adapter=adapter)
        return self._tail.label_logps(hidden, labels)

    def new_sequence(self, max_length: int) -> CachedSequence:
        """A cache for one sequence of at most `max_length` tokens."""
        return CachedSequence(self.stage, max_length)

    def extend(self, sequence: CachedSequence, x: Tensor, *, adapter: str | None) -> Tensor:
        """Append tokens to a sequence; shapes as in `CachedSequence.extend`."""
        self._ready(training=False, adapter=adapter)
        return sequence.extend(self._moved(x))

    def abort(self) -> None:
        """Drop every graph and all gradients of the current step. No weight moves."""
        for done in self._passes.values():
            done.meter.release()
        self._passes.clear()
        self.trained.gradients.clear()

    @property
    def _tail(self) -> Head:
        return cast(Head, self.stage)

    def _leaf(self, given: StageInput) -> Tensor:
        self._ready(training=True, adapter=self.adapter)
        x = self._moved(given.x).detach()
        return x.requires_grad_(given.input_gradient) if x.is_floating_point() else x

    def _hidden(self, x: Tensor, given: StageInput, meter: GraphMeter) -> Tensor:
        dropout_key(self.stage, given.key)
        return self.stage.forward_hidden(x, given.positions, recompute=meter.recompute)

    def _keep(self, done: _Pass) -> Tensor:
        self._passes[done.given.key.microbatch] = done
        return done.output.detach()

    def _backward(self, done: _Pass, gradient: Tensor | None) -> Tensor | None:
        # Recomputed layers draw their dropout masks again.
        self._ready(training=True, adapter=self.adapter)
        dropout_key(self.stage, done.given.key)

        def run() -> None:
            if done.output.requires_grad and gradient is not None:
                torch.autograd.backward(done.output, self._moved(gradient).to(done.output.dtype))

        try:
            self.trained.gradients.accumulate(done.given.key.microbatch, run)
        finally:
            done.meter.release()
        return done.x.grad

    def _ready(self, *, training: bool, adapter: str | None) -> None:
        if self.stage.training != training:
            self.stage.train(training)
        # Setting an adapter undoes a merge, so the same one is not set twice.
        if adapter != self._active:
            set_adapter(self.stage, adapter)
            self._active = adapter

    def _moved(self, tensor: Tensor) -> Tensor:
        return moved(tensor, self.stage.device)
