# SPDX-License-Identifier: Apache-2.0
"""Build a run's engine: loaded stages, an adapter and a pipeline."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch

from node0.errors import ConfigError
from node0.finetune.checkpoint.peft import load_peft
from node0.finetune.training.hooks import StepHook
from node0.finetune.training.plan.chosen_model import own_arguments
from node0.finetune.training.plan.run_plan import RunPlan
from node0.lora.lora_config import LoRAConfig
from node0.lora.trainable import ADAPTER, make_trainable
from node0.models.base_model import export_base
from node0.models.factory import build_stages, load_stages
from node0.models.hf.hf_base import HFBase
from node0.models.hf.hf_export import export_hf
from node0.models.hf.hf_stage import HFStage, load_hf_stage
from node0.models.llama.layers import LlamaStage
from node0.models.stage import Stage
from node0.models.stage_name import stage_names
from node0.pipeline.local import LocalPipeline
from node0.pipeline.parallel import DataParallelPipeline
from node0.pipeline.protocol import Pipeline
from node0.pipeline.ranks import ALONE, Ranks


@dataclass(frozen=True, slots=True)
class Engine:
    """The loaded model and what moves its weights."""

    stages: Sequence[Stage]
    pipeline: Pipeline

    def refresh(self) -> None:
        """Bring `stages` to what the pipeline has learned. Here they are the same."""

    def spread(self, step: int, progress: str) -> None:
        """Let others hold the checkpoint of `step` too, with what the trainer remembers. Here nobody is."""

    def follow(self, hook: StepHook) -> None:
        """Let `hook` hear of what happens to the stages. Here nothing does."""

    def stop_waiting(self) -> None:
        """Wait no more for stages that are lost. Here none can be. May be called from a signal handler."""

    @property
    def steps_since_backup(self) -> int | None:
        """How many steps the state that `save_kept` writes is behind; None where it can write none."""
        return None

    def save_kept(self, directory: Path) -> None:
        """Write the last state that was fetched from the stages, for when they are lost."""
        raise NotImplementedError("stages in this process are never lost")

    def export_weights(self, directory: Path) -> None:
        """Write the whole model as a Hugging Face directory, with the tokenizer's files that lie there."""
        export_base(cast("Sequence[LlamaStage]", self.stages), directory, directory)

    @property
    def stage_names(self) -> list[str]:
        """`solo-0`, or `head-0`, `body-1`, ..., `tail-n`."""
        return [str(name) for name in stage_names(len(self.stages))]


@dataclass(frozen=True, slots=True)
class HFEngine(Engine):
    """An engine over one stage that transformers computes."""

    base: Path

    def export_weights(self, directory: Path) -> None:
        """Write the whole model as its base was written."""
        export_hf(cast(HFStage, self.stages[0]), self.base, directory)


def build_engine(plan: RunPlan, ranks: Ranks = ALONE) -> Engine:
    """Load or draw the weights, put the adapter on, and make the pipeline, over all `ranks` alike.

    Raises `BadCheckpoint` when base or initial adapter cannot be used.
    """
    config = plan.config
    stages = _stages(plan)
    if config.lora is not None and config.init_adapter is not None:
        load_adapter(plan, stages, config.init_adapter, config.lora)
    else:
        for stage in stages:
            make_trainable(stage, config.lora, seed=config.seed)
    local = LocalPipeline(stages, optimizer=config.optimizer, graph_budget=plan.graph_budget)
    pipeline = local if ranks is ALONE else DataParallelPipeline(local, ranks)
    if isinstance(plan.base, HFBase):
        return HFEngine(stages, pipeline, plan.base.path)
    return Engine(stages, pipeline)


def load_adapter(plan: RunPlan, stages: Sequence[Stage], directory: Path, wanted: LoRAConfig) -> None:
    """Put the adapter in `directory` on the stages; raises `ConfigError` when it is not the wanted kind."""
    found = load_peft(directory, stages, name=ADAPTER, base_digest=plan.base_digest)
    if _comparable(found) != _comparable(wanted):
        raise ConfigError(
            f"init_adapter {directory} has {_comparable(found)} and the run has {_comparable(wanted)}; "
            "set lora as the adapter has it"
        )


def _comparable(config: LoRAConfig) -> dict[str, object]:
    return {**config.model_dump(), "target_modules": sorted(config.target_modules)}


def _stages(plan: RunPlan) -> Sequence[Stage]:
    config = plan.config
    device, four_bit = torch.device(plan.device), config.quantize is not None
    if isinstance(plan.base, HFBase):
        return [load_hf_stage(plan.base, device=device, dtype=plan.dtype, four_bit=four_bit)]
    if plan.base is None:
        return build_stages(
            own_arguments(plan.args),
            config.num_stages,
            layers_per_stage=config.layers_per_stage,
            device=device,
            dtype=plan.dtype,
            seed=config.seed,
        )
    return load_stages(
        plan.base,
        config.num_stages,
        layers_per_stage=config.layers_per_stage,
        device=device,
        dtype=plan.dtype,
        four_bit=four_bit,
    )
