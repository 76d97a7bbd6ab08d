# SPDX-License-Identifier: Apache-2.0
"""Pick the device when a setting says `auto`, ask it how it multiplies matrices, and move tensors to it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.utils import deterministic

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


@contextmanager
def one_order() -> Iterator[None]:
    """Sum in one order: a GPU then gives the same bits each time, and attention's backward pass is slower."""
    before = torch.are_deterministic_algorithms_enabled()
    filled = deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]  # made when torch is imported
    torch.use_deterministic_algorithms(True)
    # That is for finding reads of memory that nobody wrote.
    deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # as above
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
        deterministic.fill_uninitialized_memory = filled  # type: ignore[attr-defined]  # as above


def moved(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on a device. What goes to a GPU takes its place in line there, and nobody waits for it."""
    # The other way the host would read before the copy has come.
    return tensor.to(device, non_blocking=device.type == "cuda")
