# SPDX-License-Identifier: Apache-2.0
"""Which stage a host holds, and the training settings that a trainer gives it."""

from dataclasses import dataclass
from typing import Any

import torch

from node0.errors import ConfigError
from node0.lora.lora_config import LoRAConfig
from node0.lora.trainable import make_trainable
from node0.models.base_model import BaseModelDir, fresh_digest
from node0.models.factory import build_stages, load_stages
from node0.models.llama.arguments import LlamaArguments
from node0.models.llama.layers import LlamaStage
from node0.server.module_collab import ModuleCollab
from node0.server.stage.graphs import GraphBudget
from node0.stage_settings import OptimizerConfig, StageSettings


@dataclass(frozen=True, slots=True)
class StagePlace:
    """A stage's place in the whole model."""

    index: int
    num_stages: int
    layers_per_stage: tuple[int, ...] | None = None
    "None balances FLOPs."


@dataclass(frozen=True, slots=True)
class StageTraining:
    """What the trainer wants of a stage; alike on all of them. Travels in a frame's fields."""

    base_digest: str
    seed: int = 0
    lora: dict[str, Any] | None = None
    "`LoRAConfig`; None trains every weight."

    optimizer: dict[str, Any] | None = None
    "`OptimizerConfig`; None takes its defaults."

    dtype: str = "float32"
    fresh: dict[str, Any] | None = None
    "`LlamaArguments` of a model without a base."

    graph_budget: int | None = None
    "Bytes; None never recomputes."


def training_of(
    config: StageSettings | None,
    *,
    base_digest: str,
    dtype: torch.dtype,
    fresh: LlamaArguments | None = None,
    graph_budget: int | None = None,
) -> StageTraining:
    """What these settings ask of every stage. Without settings every weight trains, as in pretraining."""
    if config is None:
        dumped = fresh.model_dump() if fresh is not None else None
        return StageTraining(base_digest, dtype=str(dtype).removeprefix("torch."), fresh=dumped)
    return StageTraining(
        base_digest,
        seed=config.seed,
        lora=config.lora.model_dump() if config.lora is not None else None,
        optimizer=config.optimizer.model_dump(mode="json"),
        dtype=str(dtype).removeprefix("torch."),
        fresh=fresh.model_dump() if fresh is not None else None,
        graph_budget=graph_budget,
    )


def make_executor(
    place: StagePlace, training: StageTraining, base: BaseModelDir | None, *, device: str
) -> ModuleCollab:
    """A stage with fresh trained weights, which depend on the seed and their names alone.

    Raises:
        ConfigError: the trainer has another base, or none is here.
    """
    stage = _stage(place, training, base, device)
    lora = LoRAConfig(**training.lora) if training.lora is not None else None
    make_trainable(stage, lora, seed=training.seed)
    return ModuleCollab(
        stage,
        optimizer=OptimizerConfig(**training.optimizer or {}),
        graphs=GraphBudget(training.graph_budget),
        finetune_mode=True,  # whatever is trained: the trainer takes a vote on each step
    )


def _stage(place: StagePlace, training: StageTraining, base: BaseModelDir | None, device: str) -> LlamaStage:
    dtype: torch.dtype = getattr(torch, training.dtype)
    if training.fresh is not None:
        args = LlamaArguments(**training.fresh)
        _refuse_other(fresh_digest(args, training.seed), training.base_digest)
        stages = build_stages(
            args,
            place.num_stages,
            layers_per_stage=place.layers_per_stage,
            device=device,
            dtype=dtype,
            seed=training.seed,
        )
        return stages[place.index]
    if base is None:
        raise ConfigError("this stage has no base model; start it with --base-model DIR|HUB_ID")
    _refuse_other(base.digest, training.base_digest)
    (stage,) = load_stages(
        base,
        place.num_stages,
        layers_per_stage=place.layers_per_stage,
        stages=[place.index],
        device=torch.device(device),
        dtype=dtype,
    )
    return stage


def _refuse_other(mine: str, theirs: str) -> None:
    if mine != theirs:
        raise ConfigError(
            f"the base here has digest {mine[:19]}, the trainer's {theirs[:19]}; use the same weights on all"
        )
