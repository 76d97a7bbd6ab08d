# SPDX-License-Identifier: Apache-2.0
"""Frozen linear layers whose matrix lies in memory in 4 bits (QLoRA, Dettmers et al. 2023, arXiv:2305.14314).

The 16 values are those of 4-bit NormalFloat; 64 weights share a scale, and 256 scales one more. bitsandbytes
packs and unpacks. A matrix is made dense for a product, and once more for the gradient of its input.
"""

import logging
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

BITS = 4 + 8 / 64 + 32 / (64 * 256)
"Of a weight: itself, an 8-bit scale for 64, and a 32-bit one for 256 of these."


class FourBitLinear(nn.Linear):
    """`nn.Linear` over a packed matrix. Nothing in it trains."""

    def __init__(self, packed: nn.Parameter, bias: nn.Parameter | None) -> None:
        """Take over what `pack` gave."""
        nn.Module.__init__(self)
        self.out_features, self.in_features = _state(packed).shape
        self.weight, self.bias = packed, bias  # type: ignore[assignment]  # None where the layer has no bias

    def forward(self, input: Tensor) -> Tensor:
        """(..., in_features) to (..., out_features) in the type of the input."""
        return frozen_linear(input, self.weight, self.bias)


def pack(matrix: Tensor) -> nn.Parameter:
    """A matrix in 4 bits on its own device; `dense` gives it back rounded, in the type it has now.

    Raises:
        ModuleNotFoundError: bitsandbytes is not installed.
    """
    packed = _library().nn.Params4bit(
        matrix.contiguous(), requires_grad=False, quant_type="nf4", compress_statistics=True
    )
    return cast(nn.Parameter, packed.to(matrix.device))


def dense(weight: Tensor) -> Tensor:
    """The matrix (out, in) of a layer: its weight itself, or made of 4 bits."""
    state = _state(weight)
    if state is None:
        return weight
    return cast(Tensor, _library().functional.dequantize_4bit(weight.detach(), state))


def dense_type(weight: Tensor) -> torch.dtype:
    """Type of what `dense` gives."""
    state = _state(weight)
    return weight.dtype if state is None else cast(torch.dtype, state.dtype)


def is_packed(weight: Tensor) -> bool:
    """Whether a weight lies in 4 bits."""
    return _state(weight) is not None


def frozen_linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`functional.linear` by a matrix that may be packed, of which the graph then keeps no dense copy."""
    if not is_packed(weight):
        return functional.linear(x, weight, bias)
    return cast(Tensor, _FourBit.apply(x, weight, bias))  # type: ignore[no-untyped-call]  # torch types no `apply`


class _FourBit(torch.autograd.Function):
    """Keeps the packed matrix, which is there anyway, and not the input, which no gradient needs."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.weight = weight
        return functional.linear(x, dense(weight), bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        return grad_outputs[0] @ dense(ctx.weight), None, None


def _state(weight: Tensor) -> Any:
    """What bitsandbytes remembers of a packed weight: shape, type, scales. None of a plain one."""
    return getattr(weight, "quant_state", None)


def _library() -> Any:
    # When imported, it would tell users of a processor of a package for generation, which is not used here.
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
    import bitsandbytes  # an optional package

    return bitsandbytes
