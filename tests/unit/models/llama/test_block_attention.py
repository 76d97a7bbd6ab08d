# SPDX-License-Identifier: Apache-2.0
"""Attention in blocks of queries, against torch's kernel in float32."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from node0.models.llama.attention import Layout, attend
from node0.models.llama.block_attention import attend_document


def kernel(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    batched = (x.float().transpose(0, 1)[None] for x in (query, key, value))
    out = functional.scaled_dot_product_attention(*batched, is_causal=True, enable_gqa=True)
    return out[0].transpose(0, 1)


@pytest.mark.parametrize("tokens", [1, 5, 128, 129, 300])
@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_output_and_gradients_follow_the_float32_kernel(tokens: int, kv_heads: int) -> None:
    generator = torch.Generator().manual_seed(tokens)
    query, key, value = (
        (2 * torch.randn(tokens, heads, 16, generator=generator)).bfloat16().requires_grad_()
        for heads in (4, kv_heads, kv_heads)
    )
    upstream = torch.randn(tokens, 4, 16, generator=generator).bfloat16()

    ours = attend_document(query, key, value)
    theirs = kernel(query, key, value)
    gradients = torch.autograd.grad(ours, (query, key, value), upstream)
    wanted = torch.autograd.grad(theirs, (query, key, value), upstream.float())

    for one, other in zip((ours, *gradients), (theirs, *wanted), strict=True):
        scale = other.norm().clamp(min=1e-3)
        assert float(((one.float() - other).norm() / scale).detach()) < 0.01


def test_rows_of_one_document_are_attended_row_by_row() -> None:
    query, key, value = (torch.randn(3, 40, heads, 16).bfloat16() for heads in (4, 2, 2))

    out = attend(query, key, value, Layout())

    for row in range(3):
        assert torch.equal(out[row], attend_document(query[row], key[row], value[row]))


def test_a_later_token_changes_nothing_before_it() -> None:
    query, key, value = (torch.randn(200, 2, 16).bfloat16() for _ in range(3))
    before = attend_document(query, key, value)
    key[150:], value[150:] = 9.0, 9.0

    after = attend_document(query, key, value)

    assert torch.equal(before[:150], after[:150])
    assert not torch.equal(before[150:], after[150:])
