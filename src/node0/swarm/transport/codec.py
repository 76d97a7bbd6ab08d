# SPDX-License-Identifier: Apache-2.0
"""Encode tensors as bytes: exact, in half precision, or in 8 bits a value.

int8 is symmetric per row of the last dimension: x is sent as round(x / s), s = max |row| / 127 but no
less than the smallest normal float32, with s in float32 before the values. The error of a value is at
most s / 2, plus one rounding of float32. A row that holds NaN or infinity arrives as NaN, so a stage that
counts on it still sees that the step is lost.
"""

from dataclasses import dataclass
from math import prod
from typing import Any, Literal, get_args

import torch
from torch import Tensor

Codec = Literal["float32", "bfloat16", "float16", "int8"]
"How floating tensors travel; float32 is as they are. Integers always travel as they are."

_LEVELS = 127
_TYPES = {
    "int64": torch.int64, "int32": torch.int32, "float64": torch.float64, "float32": torch.float32,
    "bfloat16": torch.bfloat16, "float16": torch.float16,
}  # fmt: skip
_NAMES = {dtype: name for name, dtype in _TYPES.items()}
_MOST_DIMENSIONS = 8
_MOST_VALUES = 1 << 40


@dataclass(frozen=True, slots=True)
class Packed:
    """A tensor on the wire: what it is, and its bytes where it is being sent."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    "Of the tensor that `unpack` gives."

    wire: str
    "Name of the type of the values on the wire, or `int8`."

    pieces: tuple[memoryview, ...] = ()

    @property
    def meta(self) -> list[Any]:
        """For a frame's header."""
        return [list(self.shape), _NAMES[self.dtype], self.wire]

    @classmethod
    def from_meta(cls, meta: list[Any]) -> "Packed":
        """Back from a header; raises `ValueError` or `KeyError` for what `pack` never writes."""
        sizes, name, wire = meta
        shape, dtype = tuple(sizes), _TYPES[name]
        # Sizes that are no product of positive numbers are bounded too: torch computes strides of them.
        if len(shape) > _MOST_DIMENSIONS or any(type(size) is not int or size < 0 for size in shape):
            raise ValueError(f"shape of {len(shape)} dimensions with negative or other sizes")
        if prod(size or 1 for size in shape) > _MOST_VALUES:
            raise ValueError(f"shape {shape} is too large")
        if wire != name and not (dtype.is_floating_point and _carries_floats(wire)):
            raise ValueError(f"{wire} values do not make a {name} tensor")
        return cls(shape, dtype, wire)

    @property
    def nbytes(self) -> int:
        """Bytes on the wire."""
        count = prod(self.shape)
        if self.wire != "int8":
            return count * _TYPES[self.wire].itemsize
        return count + 4 * _rows(self.shape)


def pack(tensor: Tensor, codec: Codec) -> Packed:
    """Make a tensor ready to be sent. Shares its memory where no conversion is needed."""
    if codec not in get_args(Codec):
        raise ValueError(f"codec {codec}")
    value = tensor.detach().cpu().contiguous()
    shape = tuple(value.shape)
    if not value.is_floating_point():
        return Packed(shape, value.dtype, _NAMES[value.dtype], (_bytes(value),))
    if codec == "int8":
        scale, levels = _quantized(value)
        return Packed(shape, value.dtype, "int8", (_bytes(scale), _bytes(levels)))
    wire = value if codec == "float32" else value.to(_TYPES[codec])
    return Packed(shape, value.dtype, _NAMES[wire.dtype], (_bytes(wire),))


def unpack(packed: Packed, payload: bytearray, start: int) -> Tensor:
    """The tensor whose bytes begin at `start`."""
    count = prod(packed.shape)
    if count == 0:
        return torch.empty(packed.shape, dtype=packed.dtype)
    # A copy lies where torch puts its tensors, and matrix products may depend on how memory is aligned.
    data = torch.frombuffer(payload, dtype=torch.uint8, count=packed.nbytes, offset=start).clone()
    if packed.wire != "int8":
        return data.view(_TYPES[packed.wire]).view(packed.shape).to(packed.dtype)
    rows = _rows(packed.shape)
    scale, levels = data[: 4 * rows].view(torch.float32), data[4 * rows :].view(torch.int8)
    return (levels.view(rows, -1) * scale[:, None]).view(packed.shape).to(packed.dtype)


def _quantized(value: Tensor) -> tuple[Tensor, Tensor]:
    """float32 (rows,) scales and int8 (rows, width) levels."""
    count = _rows(tuple(value.shape))
    if not value.numel():
        return torch.zeros(count), torch.zeros(0, dtype=torch.int8)
    rows = value.float().reshape(count, -1)
    scale = (rows.abs().amax(dim=1) / _LEVELS).clamp_min(torch.finfo(torch.float32).tiny)
    scale = torch.where(scale.isfinite(), scale, torch.nan)
    levels = (rows / scale[:, None]).nan_to_num()
    return scale, levels.round().clamp(-_LEVELS, _LEVELS).to(torch.int8)


def _carries_floats(wire: str) -> bool:
    return wire == "int8" or _TYPES[wire].is_floating_point


def _rows(shape: tuple[int, ...]) -> int:
    return prod(shape[:-1])


def _bytes(tensor: Tensor) -> memoryview:
    # numpy has no bfloat16; the bytes are the same under any type.
    flat = tensor.reshape(-1)
    return memoryview(flat.view(torch.uint8).numpy().data) if flat.numel() else memoryview(b"")
