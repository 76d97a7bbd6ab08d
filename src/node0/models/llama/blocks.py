# SPDX-License-Identifier: Apache-2.0
"""The transformer layer of Llama and its relatives."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from node0.models.kv_cache import KVCache
from node0.models.llama.arguments import LlamaArguments
from node0.models.llama.attention import Layout, attend, attend_cached
from node0.models.llama.packed_layers import Matrix
from node0.models.llama.rope import head_dim, rotate


class BatchStep(Protocol):
    """What layers ask of a step that computes several sequences; rows are their new tokens."""

    def attend(self, layer_idx: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Append to the caches and attend: (rows, heads, dim) of each, to query's shape."""
        ...

    def adapt(self, layer_idx: int, matrix: str, x: Tensor, y: Tensor) -> None:
        """Add to y (1, rows, out) what the rows' adapters of a joined matrix make of x (1, rows, in)."""
        ...


@dataclass(frozen=True, slots=True)
class Context:
    """What all layers of a stage share in one pass."""

    cos: Tensor
    sin: Tensor
    layout: Layout | None = None
    "Set in training."

    cache: KVCache | None = None
    "Set in generation."

    batch: BatchStep | None = None
    "Set where several sequences are generated together."


class RMSNorm(nn.Module):
    """Root mean square norm (Zhang & Sennrich 2019, arXiv:1910.07467), computed in float32."""

    def __init__(self, dim: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim, dtype=torch.float32))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Same shape and type."""
        wide = x.float()
        if x.is_cuda:
            # One kernel there; on a processor the steps are as fast, and what they give is kept.
            return functional.rms_norm(wide, self.weight.shape, self.weight, self.eps).to(x.dtype)
        scale = torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.eps)
        return (wide * scale * self.weight).to(x.dtype)


class Attention(nn.Module):
    """Grouped-query attention with rotary positions."""

    q_norm: RMSNorm | None
    k_norm: RMSNorm | None

    def __init__(self, args: LlamaArguments, layer_idx: int) -> None:
        super().__init__()
        dim, kv_heads = head_dim(args), args.n_kv_heads or args.n_heads
        self.layer_idx, self.head_dim, self.window = layer_idx, dim, args.sliding_window
        self.wq = nn.Linear(args.hidden_dim, args.n_heads * dim, bias=args.qkv_bias)
        self.wk = nn.Linear(args.hidden_dim, kv_heads * dim, bias=args.qkv_bias)
        self.wv = nn.Linear(args.hidden_dim, kv_heads * dim, bias=args.qkv_bias)
        self.wo: Matrix = nn.Linear(args.n_heads * dim, args.hidden_dim, bias=args.out_bias)
        self.wqkv: Matrix | None = None
        self.q_norm = RMSNorm(dim, args.norm_eps) if args.qk_norm else None
        self.k_norm = RMSNorm(dim, args.norm_eps) if args.qk_norm else None

    def forward(self, x: Tensor, context: Context) -> Tensor:
        """(batch, tokens, hidden) to the same."""
        batch, tokens, _ = x.shape
        heads = (batch, tokens, -1, self.head_dim)
        query, key, value = (part.view(heads) for part in self._project(x))
        if self.q_norm is not None and self.k_norm is not None:
            query, key = self.q_norm(query), self.k_norm(key)
        query, key = rotate(query, context.cos, context.sin), rotate(key, context.cos, context.sin)
        if context.cache is not None:
            keys, values = context.cache.update(self.layer_idx, key.transpose(1, 2), value.transpose(1, 2))
            out = attend_cached(query, keys, values, self.window)
        else:
            out = attend(query, key, value, context.layout or Layout())
        return self.wo(out.reshape(batch, tokens, -1))  # type: ignore[no-any-return]  # calls of modules are Any

    def join_projections(self) -> None:
        """Make wq, wk and wv one matrix: one token then passes one product. For generation only."""
        self.wqkv, self._widths = joined(self.wq, self.wk, self.wv)
        del self.wq, self.wk, self.wv

    def _project(self, x: Tensor) -> Sequence[Tensor]:
        """Queries, keys and values, each (batch, tokens, heads * head_dim)."""
        if self.wqkv is not None:
            return self.wqkv(x).split(self._widths, dim=-1)  # type: ignore[no-any-return]  # calls of modules are Any
        return self.wq(x), self.wk(x), self.wv(x)


class FeedForward(nn.Module):
    """SwiGLU (Shazeer 2020, arXiv:2002.05202)."""

    def __init__(self, args: LlamaArguments) -> None:
        super().__init__()
        width = ffn_dim(args)
        self.w1 = nn.Linear(args.hidden_dim, width, bias=args.mlp_bias)
        self.w2: Matrix = nn.Linear(width, args.hidden_dim, bias=args.mlp_bias)
        self.w3 = nn.Linear(args.hidden_dim, width, bias=args.mlp_bias)
        self.w13: Matrix | None = None

    def forward(self, x: Tensor) -> Tensor:
        """(batch, tokens, hidden) to the same."""
        gate, up = (self.w1(x), self.w3(x)) if self.w13 is None else self.w13(x).chunk(2, dim=-1)
        return self.w2(functional.silu(gate) * up)  # type: ignore[no-any-return]  # calls of modules are Any

    def join_projections(self) -> None:
        """Make w1 and w3 one matrix. For generation only."""
        self.w13, _ = joined(self.w1, self.w3)
        del self.w1, self.w3


class TransformerBlock(nn.Module):
    """Attention and feed-forward, each behind its norm and added to the residual stream."""

    def __init__(self, args: LlamaArguments, layer_idx: int) -> None:
        super().__init__()
        self.attention = Attention(args, layer_idx)
        self.feed_forward = FeedForward(args)
        self.attention_norm = RMSNorm(args.hidden_dim, args.norm_eps)
        self.ffn_norm = RMSNorm(args.hidden_dim, args.norm_eps)

    def forward(self, x: Tensor, context: Context) -> Tensor:
        """(batch, tokens, hidden) to the same."""
        x = x + self.attention(self.attention_norm(x), context)
        return x + self.feed_forward(self.ffn_norm(x))  # type: ignore[no-any-return]  # calls of modules are Any


@torch.no_grad()
def joined(*layers: nn.Linear) -> tuple[nn.Linear, list[int]]:
    """One layer that computes what all of these do, one behind the other, and their widths."""
    first, widths = layers[0], [layer.out_features for layer in layers]
    whole = nn.Linear(first.in_features, sum(widths), bias=first.bias is not None, device="meta")
    whole.weight = nn.Parameter(torch.cat([layer.weight for layer in layers]), requires_grad=False)
    if first.bias is not None:
        whole.bias = nn.Parameter(torch.cat([layer.bias for layer in layers]), requires_grad=False)
    return whole, widths


def ffn_dim(args: LlamaArguments) -> int:
    """Width of the feed-forward layer; the rule of Llama 2 where it is not given."""
    if args.ffn_dim is not None:
        return args.ffn_dim
    width = int(2 * 4 * args.hidden_dim / 3)
    if args.ffn_dim_multiplier is not None:
        width = int(args.ffn_dim_multiplier * width)
    return args.multiple_of * ((width + args.multiple_of - 1) // args.multiple_of)
