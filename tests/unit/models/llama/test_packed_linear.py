# SPDX-License-Identifier: Apache-2.0
"""Packed matrices; skipped where oneDNN has no layout of its own."""

import pytest
import torch
from torch import Tensor, nn

from node0.models.device import packs_matrices
from node0.models.llama.packed_linear import FEW_ROWS, PackedLinear, pays

pytestmark = pytest.mark.skipif(
    not packs_matrices("cpu", torch.float32), reason="oneDNN packs matrices on x86 processors only"
)
TYPES = [dtype for dtype in (torch.float32, torch.bfloat16) if packs_matrices("cpu", dtype)]


def random(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(shape[0])).to(dtype)


def linear(inputs: int, outputs: int, *, bias: bool = False, dtype: torch.dtype = torch.float32) -> nn.Linear:
    layer = nn.Linear(inputs, outputs, bias=bias, dtype=dtype).requires_grad_(requires_grad=False)
    layer.weight.copy_(random(outputs, inputs, dtype=dtype))
    return layer


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("dtype", TYPES)
def test_a_packed_layer_computes_what_the_plain_one_does(dtype: torch.dtype, bias: bool) -> None:
    plain, x = linear(300, 77, bias=bias, dtype=dtype), random(1, 9, 300, dtype=dtype)

    packed = PackedLinear(plain)

    close = {"rtol": 0.02, "atol": 0.2} if dtype == torch.bfloat16 else {"rtol": 1e-4, "atol": 1e-4}
    torch.testing.assert_close(packed(x), plain(x), **close)
    assert (packed.in_features, packed.out_features) == (300, 77)
    assert (packed.weight.dtype, packed.weight.shape) == (dtype, plain.weight.shape)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("shape", [(512, 1024), (1376, 512), (200, 1001)])
@pytest.mark.parametrize("dtype", TYPES)
def test_a_row_is_the_same_to_the_bit_whatever_stands_beside_it(
    dtype: torch.dtype, shape: tuple[int, int], threads: int
) -> None:
    packed, x = PackedLinear(linear(*shape, dtype=dtype)), random(520, shape[0], dtype=dtype)
    before = torch.get_num_threads()
    whole = packed(x)

    torch.set_num_threads(threads)
    try:
        for first, count in ((0, FEW_ROWS), (4, 8), (12, 12), (40, 64), (120, 400)):
            assert torch.equal(packed(x[first : first + count]), whole[first : first + count])
    finally:
        torch.set_num_threads(before)


def test_only_large_matrices_are_worth_it() -> None:
    assert pays(linear(512, 512))
    assert not pays(linear(64, 64))
    assert not pays(linear(512, 512, dtype=torch.float16))
