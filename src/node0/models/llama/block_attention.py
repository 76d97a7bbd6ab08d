# SPDX-License-Identifier: Apache-2.0
"""Causal attention of one document in bfloat16 on a CPU, a block of queries at a time.

The fused kernel of torch 2.13 does not use the processor's bfloat16 products, and its backward pass
runs at a third of their speed. Here scores and softmax are float32, as there; what is multiplied by
probabilities or by their gradient is bfloat16. No more than one block of scores exists at a time:
the backward pass computes them again.
"""

from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_BLOCK = 128
"Queries whose scores live together."


def usable(query: Tensor) -> bool:
    """Whether this is the faster way for such tensors."""
    return query.dtype == torch.bfloat16 and query.device.type == "cpu"


def attend_document(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """query (tokens, heads, head_dim), key and value (tokens, kv heads, head_dim); returns query's shape."""
    out = _BlockAttention.apply(query, key, value)  # type: ignore[no-untyped-call]  # torch types no `apply`
    return cast(Tensor, out)


class _BlockAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        keys, values = key.transpose(0, 1).float(), value.transpose(0, 1).contiguous()
        out = torch.empty(query.shape, dtype=query.dtype)
        for rows in _blocks(query.shape[0]):
            _, probabilities = _probabilities(query[rows], keys, rows)
            out[rows] = _ungrouped(probabilities @ values[:, : rows.stop], query[rows])
        ctx.save_for_backward(query, key, value)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        query, key, value = ctx.saved_tensors
        narrow_keys, values = key.transpose(0, 1).contiguous(), value.transpose(0, 1).contiguous()
        keys = narrow_keys.float()
        grad_query = torch.empty(query.shape, dtype=query.dtype)
        grad_keys, grad_values = torch.zeros_like(keys), torch.zeros_like(keys)
        for rows in _blocks(query.shape[0]):
            end = rows.stop
            queries, probabilities = _probabilities(query[rows], keys, rows)
            upstream = _grouped(grad_outputs[0][rows], keys.shape[0])
            grad_values[:, :end] += probabilities.transpose(1, 2) @ upstream
            grad_probabilities = upstream @ values[:, :end].transpose(1, 2)
            # p * (dp - sum(p * dp)), summed in float32.
            grad_scores = torch._softmax_backward_data(
                grad_probabilities, probabilities, -1, probabilities.dtype
            )
            grad_query[rows] = _ungrouped(grad_scores @ narrow_keys[:, :end], query[rows])
            grad_keys[:, :end] += grad_scores.transpose(1, 2) @ queries
        scale = query.shape[-1] ** -0.5
        return (
            grad_query.mul_(scale),
            grad_keys.mul_(scale).transpose(0, 1).to(key.dtype),
            grad_values.transpose(0, 1).to(value.dtype),
        )


def _blocks(tokens: int) -> Iterator[slice]:
    for start in range(0, tokens, _BLOCK):
        yield slice(start, min(start + _BLOCK, tokens))


def _probabilities(query: Tensor, keys: Tensor, rows: slice) -> tuple[Tensor, Tensor]:
    """Queries (kv heads, group x block, head_dim) and what they give each key up to the last of them.

    query (block, heads, head_dim); keys float32 (kv heads, tokens, head_dim).
    """
    queries = _grouped(query, keys.shape[0])
    scaled = queries.float().mul_(query.shape[-1] ** -0.5)
    scores = scaled @ keys[:, : rows.stop].transpose(1, 2)  # (kv heads, group x block, keys)
    block = query.shape[0]
    future = torch.full((block, block), -torch.inf).triu_(1)
    scores.view(keys.shape[0], -1, block, rows.stop)[..., rows.start :] += future
    return queries, torch.softmax(scores, dim=-1).to(query.dtype)


def _grouped(x: Tensor, kv_heads: int) -> Tensor:
    """(block, heads, head_dim) to (kv heads, group x block, head_dim): a key head's queries together."""
    block, heads, head_dim = x.shape
    return (
        x.reshape(block, kv_heads, heads // kv_heads, head_dim)
        .permute(1, 2, 0, 3)
        .reshape(kv_heads, -1, head_dim)
    )


def _ungrouped(x: Tensor, like: Tensor) -> Tensor:
    """The inverse of `_grouped`, to the shape of `like`."""
    block, heads, head_dim = like.shape
    return x.view(x.shape[0], heads // x.shape[0], block, head_dim).permute(2, 0, 1, 3).reshape(like.shape)
