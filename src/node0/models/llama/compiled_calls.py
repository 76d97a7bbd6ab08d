# SPDX-License-Identifier: Apache-2.0
"""What calls of compiled layers and of the compiled head share: their functions, room, and norms."""

import struct
from functools import cache

import torch
from torch import Tensor

from node0.models.compiled.attention_rows import Heads
from node0.models.compiled.call_list import Call
from node0.models.compiled.layer_code import ENTRIES, layer_code
from node0.models.compiled.machine_code import Function, machine_code
from node0.models.compiled.processor import this_processor
from node0.models.llama.blocks import RMSNorm

_SLACK = 64
"Numbers behind the last one that vectors may read."


@cache
def functions(heads: Heads, *, narrow: bool, normed: bool) -> list[Function]:
    """Those of `layer_code.ENTRIES`, for this processor."""
    found = this_processor()
    assert found is not None  # the matrices were compiled for it
    return machine_code(found, layer_code(found, heads, narrow=narrow, normed=normed), *ENTRIES)


def zeros(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Zeros, with some more behind them."""
    number = torch.Size(shape).numel()
    return torch.zeros(number + _SLACK, dtype=dtype)[:number].view(shape)


def bits(value: float) -> int:
    """A float32 as an entry takes it."""
    return int.from_bytes(struct.pack("<f", value), "little")


class Norms:
    """RMS norms as calls. Keeps their weights with numbers behind them."""

    def __init__(self, function: Function) -> None:
        """`function`: that of `layer_code.NORM`."""
        self._function, self._weights = function, dict[int, Tensor]()

    def call(self, norm: RMSNorm, x: Tensor, out: Tensor) -> Call:
        """From float32 rows (rows, width) to rows (rows, step) of the matrices' type."""
        width = x.shape[1]
        places = (x.data_ptr(), self.weight(norm), out.data_ptr())
        return Call(self._function, (*places, width, out.shape[1], bits(norm.eps)), work=2 * width)

    def weight(self, norm: RMSNorm) -> int:
        """Address of a norm's weight."""
        kept = self._weights.setdefault(id(norm), zeros(norm.weight.numel()))
        return kept.copy_(norm.weight.detach()).data_ptr()
