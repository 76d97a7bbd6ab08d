# SPDX-License-Identifier: Apache-2.0
"""Pick the type of the frozen base when `precision` says `auto`."""

import torch

from node0.errors import ConfigError
from node0.finetune.config import FineTuneConfig
from node0.models.device import multiplies_bfloat16, pick_device

__all__ = ["pick_device", "pick_dtype"]


def pick_dtype(config: FineTuneConfig, device: str) -> torch.dtype:
    """Type of the base's matrices. `auto` takes bfloat16 for a frozen base where the hardware multiplies it.

    Raises `ConfigError` for bfloat16 without an adapter: weights that train are float32.
    """
    if config.precision == "bfloat16" and config.lora is None:
        raise ConfigError("precision='bfloat16' trains an adapter only; set lora, or precision=float32")
    if config.precision != "auto":
        return torch.float32 if config.precision == "float32" else torch.bfloat16
    if config.lora is None:
        return torch.float32
    return torch.bfloat16 if multiplies_bfloat16(device) else torch.float32
