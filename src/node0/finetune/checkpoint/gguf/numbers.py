# SPDX-License-Identifier: Apache-2.0
"""The number formats that are written without llama.cpp: f32, f16, bf16, q8_0."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, LlamaFileType, quants
from torch import Tensor

from node0.errors import ConfigError

_F32, _Q8_0 = GGMLQuantizationType.F32, GGMLQuantizationType.Q8_0


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """How matrices are stored; vectors are float32 in every format."""

    name: str
    stored: GGMLQuantizationType
    file_type: LlamaFileType
    "What the file says of itself."

    bound: float
    "Largest error of a logit that rounding may cause, as a share of the logits' spread."


FORMATS = {
    each.name: each
    for each in (
        NumberFormat("f32", _F32, LlamaFileType.ALL_F32, 0.0),
        NumberFormat("f16", GGMLQuantizationType.F16, LlamaFileType.MOSTLY_F16, 0.01),
        NumberFormat("bf16", GGMLQuantizationType.BF16, LlamaFileType.MOSTLY_BF16, 0.05),
        NumberFormat("q8_0", _Q8_0, LlamaFileType.MOSTLY_Q8_0, 0.10),
    )
}


def stored_as(shape: tuple[int, ...], wanted: NumberFormat) -> GGMLQuantizationType:
    """The type of a tensor: a row that holds no whole number of blocks is f16 instead of q8_0."""
    if len(shape) == 1:
        return _F32
    block = GGML_QUANT_SIZES[wanted.stored][0]
    return GGMLQuantizationType.F16 if shape[-1] % block else wanted.stored


def stored_bytes(shape: tuple[int, ...], kind: GGMLQuantizationType) -> int:
    """Bytes of a tensor in a file."""
    block, size = GGML_QUANT_SIZES[kind]
    return int(np.prod(shape)) // block * size


def encode(name: str, value: Tensor, kind: GGMLQuantizationType) -> npt.NDArray[np.generic]:
    """A float32 tensor as it is stored.

    Raises:
        ConfigError: a value is beyond the range of f16.
    """
    if (
        kind == GGMLQuantizationType.F16
        and value.numel()
        and value.abs().max() > torch.finfo(torch.float16).max
    ):
        raise ConfigError(f"tensor {name} holds {value.abs().max():.3g}, which f16 cannot; export as bf16")
    return quants.quantize(np.ascontiguousarray(value.numpy()), kind)


def decode(data: npt.NDArray[np.generic], kind: GGMLQuantizationType) -> Tensor:
    """float32 of what a file stores, rows as they lie there."""
    return torch.from_numpy(np.array(quants.dequantize(data, kind), dtype=np.float32))
