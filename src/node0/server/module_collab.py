# SPDX-License-Identifier: Apache-2.0
"""`ModuleCollab`: the passes of a hosted stage, and the optimizer step that all stages vote on."""

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor

from node0.errors import ConfigError
from node0.lora.linear import DropoutKey
from node0.models.llama.layers import LlamaStage
from node0.server.optim import AutoStepOptimizer
from node0.server.stage.executor import StageExecutor, StageInput
from node0.server.stage.graphs import GraphBudget
from node0.stage_settings import OptimizerConfig


class BatchFeeder(Protocol):
    """Where a head stage that feeds itself gets its batches."""

    def get_batch(self) -> Mapping[str, Tensor] | None:
        """The next batch, with `input_ids` and `positions` (rows, tokens); None when there are no more."""
        ...


class ModuleCollab(StageExecutor):
    """A `StageExecutor` whose `trained` is an `AutoStepOptimizer`. One compute thread calls it."""

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
        trained = AutoStepOptimizer(stage, optimizer, finetune_mode=finetune_mode)
        super().__init__(stage, trained, graphs=graphs, adapter=adapter)
        self.data_feeder = data_feeder

    def forward_next(self, key: DropoutKey) -> Tensor | None:
        """`forward` of the feeder's next batch; None after the last one.

        For a program that drives a head stage by itself: a trainer of ours feeds its head over the pipeline.
        """
        batch = self.data_feeder.get_batch() if self.data_feeder is not None else None
        if batch is None:
            return None
        return self.forward(StageInput(batch["input_ids"], batch["positions"], key))
