# SPDX-License-Identifier: Apache-2.0
"""The trained weights of one stage: their optimizer, and the two phases of a step.

`prepare` says what a step would do and `apply` makes it. A snapshot of the version before can be
rolled back to, so that a step is made on all stages or on none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from node0.errors import ConfigError, RetriableError
from node0.lora.trainable import trained_weights
from node0.models.stage import Stage
from node0.server.stage.gradient_sums import GradientSums
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
class _Snapshot:
    """One version of a stage: by name, its weights, and the optimizer's state of those that moved."""

    version: int
    weights: dict[str, Tensor]
    moments: dict[str, dict[str, Tensor]]


class TrainedWeights:
    """The weights of a stage that require a gradient. `version` counts the steps applied."""

    def __init__(self, stage: Stage, config: OptimizerConfig | None = None) -> None:
        """Take them all; `config` None is AdamW with its defaults.

        Raises:
            ConfigError: one of them is not float32.
        """
        self._tied_name = _tied_copy(stage)
        self._named = trained_weights(stage)
        for name, weight in self._named.items():
            if weight.dtype != torch.float32:
                raise ConfigError(f"trained weight {name} is {weight.dtype}; load what trains in float32")
        self.gradients = GradientSums(self._named, tied_name=self._tied_name)
        self._optimizer = _adamw(list(self._named.values()), config or OptimizerConfig())
        self._snapshot: _Snapshot | None = None
        self.version = 0

    @property
    def weights(self) -> Mapping[str, nn.Parameter]:
        """The trained weights by their name on this stage."""
        return self._named

    @property
    def names(self) -> list[str]:
        """Names of the trained weights in the whole model."""
        return [self._global(name) for name in self._named]

    @property
    def largest_state(self) -> int:
        """Bytes that `state_bytes` gives at most: weights, two moments, and what a header says of each."""
        return 1024 + sum(3 * weight.nbytes + 4 * (len(name) + 150) for name, weight in self._named.items())

    def prepare(self) -> Prepared:
        """Norm and finiteness of the sums. No weight moves."""
        squared = self.gradients.squared_norm()
        return Prepared(squared, finite=squared < float("inf"), microbatches=self.gradients.microbatches)

    @torch.no_grad()
    def apply(self, version: int, *, lr: float, scale: float) -> None:
        """Multiply the sums by `scale`, make one optimizer step to `version`, clear the sums.

        Raises:
            RetriableError: `version` is not the one that follows; nothing has changed then.
        """
        if version != self.version + 1:
            raise RetriableError(
                f"stage is at version {self.version}, asked for {version}; load a common state"
            )
        if self._optimizer is not None:
            self.gradients.scale(scale)
            for group in self._optimizer.param_groups:
                group["lr"] = lr
            self._optimizer.step()
        self.version = version
        self.gradients.clear()

    @torch.no_grad()
    def snapshot(self) -> None:
        """Hold a copy of this version, weights and optimizer, in place of the one held before."""
        self.discard_snapshot()
        weights = {name: weight.detach().clone() for name, weight in self._named.items()}
        moments = {name: _cloned(self._state_of(weight)) for name, weight in self._named.items()}
        self._snapshot = _Snapshot(self.version, weights, moments)

    def discard_snapshot(self) -> None:
        """Drop the copy: every stage has the version that came after it."""
        self._snapshot = None

    def rollback(self, version: int) -> None:
        """Clear the sums and be at `version` again, to the bit: the snapshot's, or still the present one.

        Raises:
            RetriableError: it is neither; nothing has changed then.
        """
        held = self._snapshot
        if version != self.version and (held is None or version != held.version):
            raise RetriableError(
                f"stage is at version {self.version} and cannot go back to {version}; load a common state"
            )
        self.gradients.clear()
        if held is not None and version == held.version:
            self._restore(version, {name: (held.weights[name], held.moments[name]) for name in self._named})
            self.discard_snapshot()

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
        self.gradients.clear()
        self.discard_snapshot()
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
        """A weight's name in the whole model, where the copies of a tied table are one."""
        return _EMBEDDING if name == self._tied_name else name


def _tied_copy(stage: Stage) -> str | None:
    """Name of the table that this stage shares with the other end of the pipeline."""
    if not stage.tied_ends:
        return None
    return _EMBEDDING if stage.has_embedding else _HEAD


def _cloned(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {field: tensor.clone() for field, tensor in state.items()}


def _adamw(weights: list[nn.Parameter], config: OptimizerConfig) -> torch.optim.AdamW | None:
    """The optimizer of these weights; None where there are none."""
    if not weights:
        return None
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
