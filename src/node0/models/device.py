# SPDX-License-Identifier: Apache-2.0
"""Pick the device when a setting says `auto`, and ask it how it multiplies matrices."""

import torch

from node0.errors import ConfigError


def pick_device(wanted: str) -> str:
    """The device that `auto` means here: cuda, then mps, then cpu.

    Raises `ConfigError` when a named device is absent.
    """
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if present[name])
    if not present.get(wanted, False):
        raise ConfigError(f"device {wanted!r} is not available here; use --device auto or cpu")
    return wanted


def multiplies_bfloat16(device: str) -> bool:
    """Whether matrices are multiplied in bfloat16 by the hardware itself."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    if device == "cpu":
        # The public names of these checks exist in newer versions only.
        checks = (getattr(torch.cpu, f"_is_{unit}_supported", None) for unit in ("avx512_bf16", "amx_tile"))
        return any(check is not None and check() for check in checks)
    return False


def packs_matrices(device: str, dtype: torch.dtype) -> bool:
    """Whether oneDNN multiplies by matrices of this type in a layout of its own: on x86 processors."""
    if device != "cpu" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]  # torch's
        return False
    if not torch.backends.cpu.get_cpu_capability().startswith("AVX"):
        return False
    if dtype == torch.bfloat16:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return dtype == torch.float32
