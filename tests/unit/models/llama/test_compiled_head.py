# SPDX-License-Identifier: Apache-2.0
"""The head as calls against the head by torch, and against itself among other rows."""

import pytest
import torch
from batch_parts import ARGS

from node0.models.compiled.attention_rows import Heads
from node0.models.llama.compiled_head import CompiledHead
from node0.models.llama.layers import TailExpert
from node0.models.llama.packed_layers import compiled_product, pack_matrices

pytestmark = pytest.mark.skipif(
    compiled_product("cpu", torch.float32) is None, reason="nothing is compiled for this processor"
)
CLOSE = {torch.float32: 1e-4, torch.bfloat16: 5e-2}


def tail_of(dtype: torch.dtype, width: int) -> TailExpert:
    args = ARGS.model_copy(update={"hidden_dim": width, "vocab_size": 77, "num_hidden_layers": 0})
    tail = TailExpert(args, seed=3).requires_grad_(requires_grad=False)
    tail.norm.weight.copy_(torch.linspace(0.5, 2.0, width))
    tail.output.to(dtype)
    return tail


@pytest.mark.parametrize("width", [64, 62])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_logits_are_those_of_torch_and_of_a_row_alone(dtype: torch.dtype, width: int) -> None:
    tail = tail_of(dtype, width)
    stream = torch.randn(9, width, generator=torch.Generator().manual_seed(2))
    expected = tail.logits(stream.to(dtype))
    pack_matrices(tail)
    head = CompiledHead(tail, Heads(2, 2, 16, None))

    whole = head(stream.to(dtype))

    assert (whole.shape, whole.dtype) == ((9, 77), torch.float32)
    torch.testing.assert_close(whole, expected, rtol=CLOSE[dtype], atol=CLOSE[dtype])
    for row in range(9):
        assert torch.equal(head(stream[row : row + 1].to(dtype))[0], whole[row])


def test_logits_stay_when_others_are_computed() -> None:
    tail = tail_of(torch.float32, 64)
    pack_matrices(tail)
    head = CompiledHead(tail, Heads(2, 2, 16, None))
    first = head(torch.ones(2, 64))
    kept = first.clone()

    head(-torch.ones(2, 64))

    assert torch.equal(first, kept)
