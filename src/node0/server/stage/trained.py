# SPDX-License-Identifier: Apache-2.0
"""The weights of one stage that train: their gradients, and the step that moves them.

Gradients are float32 sums over the supervised tokens of a global batch. They are divided once,
when the step is applied, so a stage need not know how many tokens there were.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from node0.errors import ConfigError, RetriableError
from node0.lora.trainable import trained_weights
from node0.models.llama.layers import LlamaStage
from node0.server.stage.state_file import StateReader, state_bytes, write_state
from node0.stage_settings import OptimizerConfig

_EMBEDDING, _HEAD = "tok_embeddings.weight", "output.weight"
_OPTIMIZER_FIELDS = ("step", "exp_avg", "exp_avg_sq")


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a stage says about the gradients of a global batch before any weight moves."""

    squared_norm: float
    "Of the sums, not of their average."

    finite: bool
    microbatches: int
    "Microbatches whose gradients are in the sums."


@dataclass(frozen=True, slots=True)
class Share:
    """Which microbatches of a global batch come here: `first`, `first + stride`, and so on."""

    first: int = 0
    stride: int = 1

    def __contains__(self, index: int) -> bool:
        return index >= self.first and (index - self.first) % self.stride == 0


@dataclass(frozen=True, slots=True)
class _Kept:
    """One version of a stage: by name, its weights, and the optimizer's state of those that moved."""

    version: int
    weights: dict[str, Tensor]
    moments: dict[str, dict[str, Tensor]]


class TrainedWeights:
    """What trains on one stage, with its optimizer. `version` counts the steps applied."""

    def __init__(self, stage: LlamaStage, config: OptimizerConfig) -> None:
        """Take every parameter of `stage` that requires a gradient.

        Raises:
            ConfigError: one of them is not float32.
        """
        self._tied_name = _tied_copy(stage)
        self._named = trained_weights(stage)
        for name, weight in self._named.items():
            if weight.dtype != torch.float32:
                raise ConfigError(f"trained weight {name} is {weight.dtype}; load what trains in float32")
        self._optimizer = _adamw(list(self._named.values()), config) if self._named else None
        self._early: dict[int, list[Tensor | None]] = {}
        self._share = Share()
        self._next = 0
        self._counts_tied = True
        self._kept: _Kept | None = None
        self.version = 0

    @property
    def weights(self) -> Mapping[str, nn.Parameter]:
        """The trained weights by their name in the whole model."""
        return self._named

    @property
    def names(self) -> list[str]:
        """Names of the trained weights in the whole model."""
        return [self._global(name) for name in self._named]

    @property
    def largest_state(self) -> int:
        """Bytes that `state_bytes` gives at most: weights, two moments, and what a header says of each."""
        return 1024 + sum(3 * weight.nbytes + 4 * (len(name) + 150) for name, weight in self._named.items())

    def gradients(self) -> dict[str, Tensor]:
        """The sums so far, by name; a weight that no microbatch reached is absent."""
        return {name: weight.grad for name, weight in self._named.items() if weight.grad is not None}

    def take(self, share: Share) -> None:
        """Forget the sums, and expect these microbatches from now on: the others go to another replica."""
        self._share = share
        self.abort()

    def accumulate(self, index: int, backward: Callable[[], None]) -> None:
        """Run the backward pass of microbatch `index` and add its gradients in index order.

        A microbatch that comes early waits, so that the sum does not depend on who was faster.

        Raises:
            RetriableError: the microbatch is already in the sums, or is another replica's.
        """
        if index not in self._share:
            raise RetriableError(f"microbatch {index} is another replica's; abort the step and replay it")
        if index < self._next or index in self._early:
            raise RetriableError(f"microbatch {index} was accumulated before; abort the step and replay it")
        if index > self._next:
            self._early[index] = self._aside(backward)
            return
        backward()
        self._next += self._share.stride
        while self._next in self._early:
            self._add(self._early.pop(self._next))
            self._next += self._share.stride

    def sums(self) -> list[Tensor]:
        """The sums of all trained weights in the stage's order, zero where no microbatch reached one."""
        return [
            torch.zeros_like(weight) if weight.grad is None else weight.grad
            for weight in self._named.values()
        ]

    def set_sums(self, sums: Sequence[Tensor]) -> None:
        """Replace them, by what all replicas of the stage have summed."""
        for weight, total in zip(self._named.values(), sums, strict=True):
            weight.grad = total.to(weight.device)

    def tied_gradient(self) -> Tensor | None:
        """The gradient of this stage's copy of a table whose other copy is elsewhere; None without one."""
        weight = self._named.get(self._tied_name) if self._tied_name is not None else None
        if weight is None:
            return None
        return torch.zeros_like(weight) if weight.grad is None else weight.grad

    def set_tied_gradient(self, total: Tensor, *, counted: bool) -> None:
        """Replace that gradient by the sum over both copies. `counted` for one copy: the norm has it once."""
        if self._tied_name is None:
            raise ConfigError("this stage has no copy of a tied table; do not set its gradient")
        self._named[self._tied_name].grad = total.clone()
        self._counts_tied = counted

    def prepare(self) -> Prepared:
        """Norm and finiteness of the sums. No weight moves."""
        squared = sum(
            float(torch.linalg.vector_norm(gradient, dtype=torch.float64)) ** 2
            for name, gradient in self.gradients().items()
            if self._counts_tied or name != self._tied_name
        )
        done = (self._next - self._share.first) // self._share.stride
        return Prepared(squared, finite=squared < float("inf"), microbatches=done)

    @torch.no_grad()
    def apply(self, version: int, *, lr: float, scale: float) -> None:
        """Multiply the sums by `scale`, make one optimizer step to `version`, forget the sums.

        Raises:
            RetriableError: `version` is not the one that follows.
        """
        if version != self.version + 1:
            raise RetriableError(
                f"stage is at version {self.version}, asked for {version}; load a common state"
            )
        if self._optimizer is not None:
            gradients = list(self.gradients().values())
            if gradients:
                torch._foreach_mul_(gradients, scale)
            for group in self._optimizer.param_groups:
                group["lr"] = lr
            self._optimizer.step()
        self.version = version
        self.abort()

    def abort(self) -> None:
        """Forget the sums. Weights and optimizer stay as they were."""
        for weight in self._named.values():
            weight.grad = None
        self._early.clear()
        self._next = self._share.first
        self._counts_tied = True

    @torch.no_grad()
    def keep(self) -> None:
        """Hold a copy of this version, weights and optimizer, in place of the one held before."""
        self._kept = None
        weights = {name: weight.detach().clone() for name, weight in self._named.items()}
        moments = {name: _cloned(self._state_of(weight)) for name, weight in self._named.items()}
        self._kept = _Kept(self.version, weights, moments)

    def forget(self) -> None:
        """Drop the copy: every stage has the version that came after it."""
        self._kept = None

    def rollback(self, version: int) -> None:
        """Forget the sums and be at `version` again, to the bit: the one kept, or still the present one.

        Raises:
            RetriableError: it is neither; nothing has changed then.
        """
        kept = self._kept
        if version != self.version and (kept is None or version != kept.version):
            raise RetriableError(
                f"stage is at version {self.version} and cannot go back to {version}; load a common state"
            )
        self.abort()
        if kept is not None and version == kept.version:
            self._restore(
                kept.version, {name: (kept.weights[name], kept.moments[name]) for name in self._named}
            )
            self._kept = None

    def save(self, path: Path) -> None:
        """Write weights and optimizer state to one file."""
        write_state(path, self.tensors(), version=self.version)

    def state_bytes(self) -> bytes:
        """What `save` writes. Same state, same bytes."""
        return state_bytes(self.tensors(), version=self.version)

    def load(self, reader: StateReader) -> None:
        """Take weights and optimizer state of the tensors that this stage has.

        Raises:
            BadCheckpoint: one is absent or of another shape; nothing has changed then.
        """
        found = {name: self._read(reader, name, weight) for name, weight in self._named.items()}
        self.abort()
        self.forget()
        self._restore(reader.version, found)

    def tensors(self) -> dict[str, Tensor]:
        """What `save` writes, not copied: `weight:NAME` and the optimizer's fields."""
        tensors: dict[str, Tensor] = {}
        for name, weight in self._named.items():
            tensors[f"weight:{self._global(name)}"] = weight
            state = self._state_of(weight)
            tensors |= {f"{field}:{self._global(name)}": state[field] for field in _OPTIMIZER_FIELDS if state}
        return tensors

    def _state_of(self, weight: nn.Parameter) -> Mapping[str, Tensor]:
        """The optimizer's state of a weight; empty before its first step."""
        return self._optimizer.state.get(weight, {}) if self._optimizer is not None else {}

    @torch.no_grad()
    def _restore(self, version: int, found: Mapping[str, tuple[Tensor, dict[str, Tensor]]]) -> None:
        for name, (value, state) in found.items():
            weight = self._named[name]
            weight.copy_(value)
            if self._optimizer is not None:
                self._optimizer.state.pop(weight, None)
                if state:
                    self._optimizer.state[weight] = state
        self.version = version

    def _read(self, reader: StateReader, name: str, weight: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        name = self._global(name)
        value = reader.read("weight", name, weight)
        if not reader.has("step", name):
            return value, {}
        step = reader.read("step", name, torch.zeros(()))
        moments = {
            field: reader.read(field, name, weight).to(weight.device) for field in _OPTIMIZER_FIELDS[1:]
        }
        return value, {"step": step.to(weight.device), **moments}

    def _global(self, name: str) -> str:
        return _EMBEDDING if name == self._tied_name else name

    def _aside(self, backward: Callable[[], None]) -> list[Tensor | None]:
        weights = list(self._named.values())
        sums = [weight.grad for weight in weights]
        for weight in weights:
            weight.grad = None
        backward()
        own = [weight.grad for weight in weights]
        for weight, total in zip(weights, sums, strict=True):
            weight.grad = total
        return own

    def _add(self, gradients: list[Tensor | None]) -> None:
        for weight, gradient in zip(self._named.values(), gradients, strict=True):
            if gradient is None:
                continue
            weight.grad = gradient if weight.grad is None else weight.grad.add_(gradient)


def _tied_copy(stage: LlamaStage) -> str | None:
    """Name of the table that this stage shares with the other end of the pipeline."""
    if not stage.args.tie_embeddings or stage.has_embedding == stage.has_head:
        return None
    return _EMBEDDING if stage.has_embedding else _HEAD


def _cloned(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {field: tensor.clone() for field, tensor in state.items()}


def _adamw(weights: list[nn.Parameter], config: OptimizerConfig) -> torch.optim.AdamW:
    fused = weights[0].device.type in ("cpu", "cuda")
    return torch.optim.AdamW(
        weights,
        lr=config.lr,
        betas=config.betas,
        eps=config.eps,
        weight_decay=config.weight_decay,
        fused=fused,
        foreach=None if fused else True,
    )
