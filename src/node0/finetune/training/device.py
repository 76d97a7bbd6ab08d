# SPDX-License-Identifier: Apache-2.0
"""Where tensors live and in which type, when a setting says `auto`."""

import torch

from node0.errors import ConfigError
from node0.finetune.config import FineTuneConfig


def pick_device(wanted: str) -> str:
    """The device that `auto` means here: cuda, then mps, then cpu.

    Raises `ConfigError` when a named device is absent.
    """
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if present[name])
    if not present[wanted]:
        raise ConfigError(f"device {wanted!r} is not available here; use --device auto or cpu")
    return wanted


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
    return torch.bfloat16 if _multiplies_bfloat16(device) else torch.float32


def _multiplies_bfloat16(device: str) -> bool:
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    if device == "cpu":
        # The public names of these checks exist in newer versions only.
        checks = (getattr(torch.cpu, f"_is_{unit}_supported", None) for unit in ("avx512_bf16", "amx_tile"))
        return any(check is not None and check() for check in checks)
    return False
