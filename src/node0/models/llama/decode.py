# SPDX-License-Identifier: Apache-2.0
"""Decode one token through joined layers, with as few calls as its arithmetic needs.

A token of a small model costs less in its products than in the calls around them. This is
`TransformerBlock.forward` again, for one token and without modules in between; the residual stream
stays float32.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from node0.models.llama.attention import attend_cached
from node0.models.llama.blocks import Attention, Context, FeedForward, RMSNorm, TransformerBlock


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
        self._attention_norm, self._ffn_norm = Norm.of(block.attention_norm), Norm.of(block.ffn_norm)
        self._index, self._window = attention.layer_idx, attention.window
        self._head_dim = attention.head_dim
        self._read_attention(attention)
        self._read_feed_forward(feed_forward)

    def __call__(self, x: Tensor, context: Context) -> Tensor:
        """float32 (1, 1, hidden) to the same; appends to the cache of `context`."""
        x = x + self._attend(self._attention_norm(x), context)
        narrow = self._ffn_norm(x).to(self._w2.dtype)
        gate, up = functional.linear(narrow, self._w13, self._b13).chunk(2, dim=-1)
        return x + functional.linear(functional.silu(gate) * up, self._w2, self._b2)

    def _attend(self, x: Tensor, context: Context) -> Tensor:
        assert context.cache is not None
        dtype = self._wo.dtype
        heads = functional.linear(x.to(dtype), self._wqkv, self._bqkv).view(1, 1, -1, self._head_dim)
        turned = self._turn(heads[:, :, : self._n_turned], context)
        keys, values = context.cache.update(
            self._index,
            turned[:, :, self._n_heads :].transpose(1, 2),
            heads[:, :, self._n_turned :].transpose(1, 2),
        )
        out = attend_cached(turned[:, :, : self._n_heads], keys, values, self._window)
        return functional.linear(out.reshape(1, 1, -1).to(dtype), self._wo, self._bo)

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
        self._wqkv, self._bqkv = attention.wqkv.weight, attention.wqkv.bias
        self._wo, self._bo = attention.wo.weight, attention.wo.bias
        values = self._wqkv.shape[0] - attention.wo.in_features
        self._n_heads = attention.wo.in_features // self._head_dim
        self._n_turned = self._n_heads + values // 2 // self._head_dim
        self._q_norm = None if attention.q_norm is None else Norm.of(attention.q_norm)
        self._k_norm = None if attention.k_norm is None else Norm.of(attention.k_norm)

    def _read_feed_forward(self, feed_forward: FeedForward) -> None:
        assert feed_forward.w13 is not None
        self._w13, self._b13 = feed_forward.w13.weight, feed_forward.w13.bias
        self._w2, self._b2 = feed_forward.w2.weight, feed_forward.w2.bias
