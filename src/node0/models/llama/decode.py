# SPDX-License-Identifier: Apache-2.0
"""Decode through joined layers, with as few calls as the arithmetic needs.

A token of a small model costs less in its products than in the calls around them. This is
`TransformerBlock.forward` again, for one token, or for new tokens of several sequences, and without
modules in between; the residual stream stays float32.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from node0.models.llama.attention import attend_cached
from node0.models.llama.blocks import Attention, Context, FeedForward, RMSNorm, TransformerBlock
from node0.models.llama.packed_layers import Matrix


@dataclass(frozen=True, slots=True)
class Norm:
    """An RMS norm's numbers."""

    weight: Tensor
    eps: float

    @classmethod
    def of(cls, norm: RMSNorm) -> "Norm":
        """Shares the module's weight."""
        return cls(norm.weight, norm.eps)

    def __call__(self, x: Tensor) -> Tensor:
        """Same shape; float32 in, float32 out."""
        return functional.rms_norm(x, self.weight.shape, self.weight, self.eps)


class DecodeLayer:
    """A layer whose projections are joined. Shares its weights; has none of its own."""

    def __init__(self, block: TransformerBlock) -> None:
        attention, feed_forward = block.attention, block.feed_forward
        self._dtype = feed_forward.w2.weight.dtype
        self._attention_norm, self._ffn_norm = Norm.of(block.attention_norm), Norm.of(block.ffn_norm)
        self._index, self._window = attention.layer_idx, attention.window
        self._head_dim = attention.head_dim
        self._read_attention(attention)
        self._read_feed_forward(feed_forward)

    def __call__(self, x: Tensor, context: Context) -> Tensor:
        """float32 (1, tokens, hidden) to the same; appends to the cache or the batch of `context`."""
        x = x + self._attend(self._attention_norm(x), context)
        narrow = self._ffn_norm(x).to(self._dtype)
        both = self._w13(narrow)
        self._adapt("w13", narrow, both, context)
        gate, up = both.chunk(2, dim=-1)
        inner = functional.silu(gate) * up
        out = self._w2(inner)
        self._adapt("w2", inner, out, context)
        return x + out

    def _attend(self, x: Tensor, context: Context) -> Tensor:
        tokens, x = x.shape[1], x.to(self._dtype)
        joined = self._wqkv(x)
        self._adapt("wqkv", x, joined, context)
        heads = joined.view(1, tokens, -1, self._head_dim)
        turned = self._turn(heads[:, :, : self._n_turned], context)
        query, key, value = (
            turned[:, :, : self._n_heads],
            turned[:, :, self._n_heads :],
            heads[:, :, self._n_turned :],
        )
        out = self._attended(query, key, value, context).reshape(1, tokens, -1).to(x.dtype)
        result = self._wo(out)
        self._adapt("wo", out, result, context)
        return result

    def _attended(self, query: Tensor, key: Tensor, value: Tensor, context: Context) -> Tensor:
        if context.batch is not None:
            return context.batch.attend(self._index, query[0], key[0], value[0])
        assert context.cache is not None
        keys, values = context.cache.update(self._index, key.transpose(1, 2), value.transpose(1, 2))
        return attend_cached(query, keys, values, self._window)

    def _adapt(self, matrix: str, x: Tensor, y: Tensor, context: Context) -> None:
        if context.batch is not None:
            context.batch.adapt(self._index, matrix, x, y)

    def _turn(self, heads: Tensor, context: Context) -> Tensor:
        """Queries and keys, normed where the family does so, turned by the position; float32."""
        wide = heads.float()
        if self._q_norm is not None and self._k_norm is not None:
            query, key = wide[:, :, : self._n_heads], wide[:, :, self._n_heads :]
            wide = torch.cat((self._q_norm(query), self._k_norm(key)), dim=2)
        low, high = wide.chunk(2, dim=-1)
        return torch.addcmul(wide * context.cos, torch.cat((high, low), dim=-1), context.sin)

    def _read_attention(self, attention: Attention) -> None:
        assert attention.wqkv is not None
        values = attention.wqkv.out_features - attention.wo.in_features
        self._n_heads = attention.wo.in_features // self._head_dim
        self._n_turned = self._n_heads + values // 2 // self._head_dim
        self._wqkv, self._wo = _product(attention.wqkv), _product(attention.wo)
        self._q_norm = None if attention.q_norm is None else Norm.of(attention.q_norm)
        self._k_norm = None if attention.k_norm is None else Norm.of(attention.k_norm)

    def _read_feed_forward(self, feed_forward: FeedForward) -> None:
        assert feed_forward.w13 is not None
        self._w13, self._w2 = _product(feed_forward.w13), _product(feed_forward.w2)


def _product(layer: Matrix) -> Callable[[Tensor], Tensor]:
    """What a layer computes, without the calls that a module makes around it."""
    if not isinstance(layer, nn.Linear):
        return layer.forward
    return partial(functional.linear, weight=layer.weight, bias=layer.bias)
