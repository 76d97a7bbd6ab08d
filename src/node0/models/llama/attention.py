# SPDX-License-Identifier: Apache-2.0
"""Causal attention over packed rows and over a KV cache.

A row may hold several documents. Position 0 starts one, and no document sees another.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from node0.models.llama.block_attention import attend_document, usable

_CALL_COST = 4096
"Pairs of tokens that cost about as much time as one more call of the kernel."


@dataclass(frozen=True, slots=True)
class Layout:
    """How the tokens of a microbatch see each other. Exactly one of three ways.

    Neither field set: each row is one document.
    """

    documents: tuple[tuple[int, bool], ...] | None = None
    "Runs of the flattened rows: (tokens, each token is a document of its own)."

    mask: Tensor | None = None
    "bool (rows or 1, 1, tokens, tokens): True where a query sees a key."


def training_layout(positions: Tensor, window: int | None = None) -> Layout:
    """The cheapest exact way to attend within documents. positions: int64 (rows, tokens)."""
    rows, tokens = positions.shape
    lengths = document_lengths(positions)
    longest = max(lengths)
    if window is not None and longest > window:
        return Layout(mask=_block_mask(positions, window))
    if len(lengths) == rows:
        return Layout()
    documents = _merge_single_tokens(lengths)
    split_cost = sum(length * length + _CALL_COST for length, single in documents if not single)
    if split_cost < rows * tokens * tokens:
        return Layout(documents=documents)
    return Layout(mask=_block_mask(positions, window))


def document_lengths(positions: Tensor) -> list[int]:
    """Tokens of each document of int64 (rows, tokens), row after row."""
    rows, tokens = positions.shape
    starts = positions == 0
    starts[:, 0] = True
    edges = starts.flatten().nonzero().flatten().tolist()
    return [end - start for start, end in zip(edges, [*edges[1:], rows * tokens], strict=True)]


def attend(query: Tensor, key: Tensor, value: Tensor, layout: Layout) -> Tensor:
    """Attention of a training microbatch.

    query (rows, tokens, heads, head_dim), key and value with kv heads; returns query's shape.
    """
    documents = layout.documents
    if documents is None and layout.mask is None and usable(query):
        documents = ((query.shape[1], query.shape[1] == 1),) * query.shape[0]
    if documents is not None:
        return _attend_documents(query, key, value, documents)
    out = functional.scaled_dot_product_attention(
        query.transpose(1, 2),
        key.transpose(1, 2),
        value.transpose(1, 2),
        attn_mask=layout.mask,
        is_causal=layout.mask is None,
        enable_gqa=query.shape[2] != key.shape[2],
    )
    return out.transpose(1, 2)


def attend_cached(query: Tensor, keys: Tensor, values: Tensor, window: int | None = None) -> Tensor:
    """Attention of the last tokens over a cache that already holds them.

    query (batch, new tokens, heads, head_dim); keys, values (batch, kv heads, tokens, head_dim), which
    may be of a wider type; returns query's shape and type.
    """
    batch, new, heads, head_dim = query.shape
    kv_heads, total = keys.shape[1], keys.shape[2]
    dtype, query = query.dtype, query.to(keys.dtype)
    if new == 1:
        if window is not None and total > window:
            keys, values = keys[:, :, -window:], values[:, :, -window:]
        # The queries of one kv head attend to the same keys: they are rows of one product.
        grouped = query.view(batch, kv_heads, heads // kv_heads, head_dim)
        out = functional.scaled_dot_product_attention(grouped, keys, values)
        return out.view(batch, 1, heads, head_dim).to(dtype)
    whole = new == total and (window is None or total <= window)
    out = functional.scaled_dot_product_attention(
        query.transpose(1, 2),
        keys,
        values,
        # `is_causal` aligns the mask to the top left: right only where the cache was empty.
        attn_mask=None if whole else _cache_mask(new, total, window, query.device),
        is_causal=whole,
        enable_gqa=heads != kv_heads,
    )
    return out.transpose(1, 2).to(dtype)


def _attend_documents(
    query: Tensor, key: Tensor, value: Tensor, documents: tuple[tuple[int, bool], ...]
) -> Tensor:
    sizes = [length for length, _ in documents]
    groups = query.shape[2] // key.shape[2]
    # The gradient of one split is one concatenation; that of many slices would be many full sums.
    pieces = zip(*(torch.split(tensor.flatten(0, 1), sizes) for tensor in (query, key, value)), strict=True)
    outputs: list[Tensor] = []
    for (q, k, v), (_, single) in zip(pieces, documents, strict=True):
        if single:
            # Softmax over one key is 1.
            outputs.append(v.repeat_interleave(groups, dim=1))
            continue
        if usable(q):
            outputs.append(attend_document(q, k, v))
            continue
        out = functional.scaled_dot_product_attention(
            q.transpose(0, 1)[None],
            k.transpose(0, 1)[None],
            v.transpose(0, 1)[None],
            is_causal=True,
            enable_gqa=groups > 1,
        )
        outputs.append(out[0].transpose(0, 1))
    return torch.cat(outputs).view(query.shape)


def _merge_single_tokens(lengths: list[int]) -> tuple[tuple[int, bool], ...]:
    """Padding is many documents of one token; a run of them is one piece of work."""
    runs: list[tuple[int, bool]] = []
    for length in lengths:
        if length == 1 and runs and runs[-1][1]:
            runs[-1] = (runs[-1][0] + 1, True)
        else:
            runs.append((length, length == 1))
    return tuple(runs)


def _block_mask(positions: Tensor, window: int | None) -> Tensor:
    tokens = positions.shape[1]
    starts = positions == 0
    starts[:, 0] = True
    document = starts.cumsum(dim=1)
    same = document[:, None, :, None] == document[:, None, None, :]
    return same & _band(tokens, tokens, window, positions.device)


def _cache_mask(new: int, total: int, window: int | None, device: torch.device) -> Tensor:
    return _band(new, total, window, device)


def _band(queries: int, keys: int, window: int | None, device: torch.device) -> Tensor:
    """bool (queries, keys): the last query stands at the last key, none sees the future."""
    distance = (torch.arange(queries, device=device) + keys - queries)[:, None] - torch.arange(
        keys, device=device
    )
    band = distance >= 0
    return band if window is None else band & (distance < window)
