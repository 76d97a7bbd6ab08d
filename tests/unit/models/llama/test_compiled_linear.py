# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import nn

from node0.models.llama.compiled_linear import CompiledLinear
from node0.models.llama.packed_layers import compiled_product

pytestmark = pytest.mark.skipif(
    compiled_product("cpu", torch.float32) is None, reason="nothing is compiled for this processor"
)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_compiled_layer_computes_what_the_plain_one_does(dtype: torch.dtype, bias: bool) -> None:
    generator = torch.Generator().manual_seed(1)
    plain = nn.Linear(301, 77, bias=bias, dtype=dtype).requires_grad_(requires_grad=False)
    for parameter in plain.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator))
    x = torch.randn(1, 9, 301, generator=generator).to(dtype)
    product = compiled_product("cpu", dtype)
    assert product is not None

    compiled = CompiledLinear(plain, product)

    close = {"rtol": 0.02, "atol": 0.2} if dtype == torch.bfloat16 else {"rtol": 1e-4, "atol": 1e-4}
    torch.testing.assert_close(compiled(x), plain(x), **close)
    assert (compiled.in_features, compiled.out_features) == (301, 77)
    assert (compiled.weight.dtype, compiled.weight.requires_grad) == (dtype, False)
