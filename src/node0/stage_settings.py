# SPDX-License-Identifier: Apache-2.0
"""Training settings that every stage of a run needs: adapter, optimizer, seed."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from node0.lora.lora_config import LoRAConfig

Decay = Annotated[float, Field(ge=0, lt=1)]


class OptimizerConfig(BaseModel):
    """AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101)."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)

    lr: float = Field(default=3e-5, gt=0, le=1e6)
    "Peak learning rate; an adapter for which none is given has one by the width of its base."

    betas: tuple[Decay, Decay] = (0.9, 0.999)
    "AdamW's decay of the gradient's first and second moment."

    eps: float = Field(default=1e-8, gt=0)
    "AdamW's guard against division by zero."

    weight_decay: float = Field(default=0.0, ge=0)
    "AdamW's decoupled decay."

    max_grad_norm: float | None = Field(default=1.0, gt=0)
    "Clip of the global gradient norm; null never clips."


class StageSettings(OptimizerConfig):
    """The settings of a training that reach its stages; `FineTuneConfig` adds the trainer's own."""

    lora: LoRAConfig | None = None
    "Adapter; None trains every weight."

    seed: int = Field(default=0, ge=-(1 << 63), lt=1 << 63)
    "Seeds order, initial weights and dropout."

    @property
    def optimizer(self) -> OptimizerConfig:
        """Those of them that are the optimizer's."""
        return OptimizerConfig(**{name: getattr(self, name) for name in OptimizerConfig.model_fields})
