# SPDX-License-Identifier: Apache-2.0
import struct

import pytest
import torch

from node0.models.compiled.attention_rows import Heads
from node0.models.compiled.call_list import CallList
from node0.models.compiled.layer_code import ENTRIES, NORM
from node0.models.llama.blocks import RMSNorm
from node0.models.llama.compiled_calls import Norms, bits, functions, zeros
from node0.models.llama.packed_layers import compiled_product

pytestmark = pytest.mark.skipif(
    compiled_product("cpu", torch.float32) is None, reason="nothing is compiled for this processor"
)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_norm_is_one_call(dtype: torch.dtype) -> None:
    narrow = dtype == torch.bfloat16
    norm = RMSNorm(37, 1e-5).requires_grad_(requires_grad=False)
    norm.weight.copy_(torch.linspace(0.5, 2.0, 37))
    compiled = functions(Heads(1, 1, 16, None), narrow=narrow, normed=False)
    x, out = zeros(5, 37), zeros(5, 38, dtype=dtype)
    x.copy_(torch.randn(5, 37, generator=torch.Generator().manual_seed(1)))

    norms = Norms(compiled[ENTRIES.index(NORM)])
    calls = CallList([norms.call(norm, x, out)])
    calls.prepare(5)
    calls.run()

    close = 1e-2 if narrow else 1e-6
    torch.testing.assert_close(out[:, :37].float(), norm(x), rtol=close, atol=close)
    assert not out[:, 37:].any()


def test_a_number_is_given_by_its_bits() -> None:
    assert struct.pack("<I", bits(1e-5)) == struct.pack("<f", 1e-5)
