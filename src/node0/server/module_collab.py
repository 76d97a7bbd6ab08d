# SPDX-License-Identifier: Apache-2.0
"""A stage as its host drives it: passes, steps that can be undone, and state that can travel."""

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor

from node0.errors import BadCheckpoint, ConfigError
from node0.finetune.lora.linear import DropoutKey
from node0.models.llama.layers import LlamaStage
from node0.server.executor import StageExecutor, StageInput
from node0.server.graphs import GraphBudget
from node0.server.optim import AutoStepOptimizer
from node0.server.state import StateReader, state_digest
from node0.server.trained import OptimizerConfig, Prepared


class BatchFeeder(Protocol):
    """Where a head stage that feeds itself gets its batches."""

    def get_batch(self) -> Mapping[str, Tensor] | None:
        """The next batch, with `input_ids` and `positions` (rows, tokens); None when there are no more."""
        ...


class ModuleCollab(StageExecutor):
    """A `StageExecutor` with the optimizer step of its stage. One compute thread calls it."""

    def __init__(
        self,
        stage: LlamaStage,
        *,
        optimizer: OptimizerConfig | None = None,
        graphs: GraphBudget | None = None,
        adapter: str | None = None,
        finetune_mode: bool = False,
        data_feeder: BatchFeeder | None = None,
    ) -> None:
        """Drive `stage`; arguments as in `StageExecutor`.

        Args:
            stage: its weights; those that require a gradient train.
            optimizer: AdamW's settings.
            graphs: what autograd may keep; None is without limit.
            adapter: the adapter that is trained and used; None takes the one that is active.
            finetune_mode: whether gradients that are not finite cost a step; without, the process group.
            data_feeder: batches of a head stage that feeds itself. Labels travel with a microbatch
                otherwise, so no other stage can have one.

        Raises:
            ConfigError: a feeder for a stage that does not embed.
        """
        if data_feeder is not None and not stage.has_embedding:
            raise ConfigError("only a head stage can feed itself; give data_feeder to that one")
        super().__init__(stage, optimizer=optimizer, graphs=graphs, adapter=adapter)
        self.optimizer = AutoStepOptimizer(self.trained, finetune_mode=finetune_mode)
        self.data_feeder = data_feeder

    def forward_next(self, key: DropoutKey) -> Tensor | None:
        """`forward` of the feeder's next batch; None after the last one."""
        batch = self.data_feeder.get_batch() if self.data_feeder is not None else None
        if batch is None:
            return None
        return self.forward(StageInput(batch["input_ids"], batch["positions"], key))

    @property
    def version(self) -> int:
        """Steps that were applied."""
        return self.trained.version

    def prepare(self) -> Prepared:
        """Norm of the sums, and this stage's vote on the step. No weight moves."""
        return self.optimizer.prepare()

    def apply(self, version: int, *, lr: float, scale: float) -> None:
        """Make the step to `version`; the state before it is kept until `commit` or `rollback`.

        Raises:
            RetriableError: `version` is not the one that follows; nothing has changed then.
        """
        self.optimizer.apply(version, lr=lr, scale=scale)

    def commit(self) -> None:
        """Every stage has the version of the last step: what was kept before it goes."""
        self.trained.forget()

    def rollback(self, version: int) -> None:
        """Drop all passes and be at `version` again, to the bit. Doing it twice changes nothing.

        Raises:
            RetriableError: it is neither the present version nor the one kept; nothing has changed then.
        """
        self.trained.rollback(version)
        self.abort()

    def state_bytes(self) -> bytes:
        """Weights and optimizer of what trains here, as safetensors. Same state, same bytes."""
        return self.trained.state_bytes()

    def load_state_bytes(self, data: bytes, *, sha256: str) -> None:
        """Be where the stage was that made `data`, whose sha256 in hex was announced.

        Raises:
            BadCheckpoint: it is something else, or of another stage; nothing has changed then.
        """
        found = state_digest(data)
        if found != sha256:
            raise BadCheckpoint(
                f"{len(data)} bytes of state have sha256 {found}, announced was {sha256}; fetch them again"
            )
        self.trained.load(StateReader(data))
        self.abort()
