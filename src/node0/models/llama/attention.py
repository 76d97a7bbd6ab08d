# SPDX-License-Identifier: Apache-2.0
"""Causal attention over packed rows and over a KV cache.

A row may hold several documents. Position 0 starts one, and no document sees another.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from node0.models.llama import varlen_attention
from node0.models.llama.block_attention import attend_document, usable
from node0.models.llama.varlen_attention import Documents

_CALL_COST = 4096
"Pairs of tokens that cost about as much time as one more call of the kernel."


@dataclass(frozen=True, slots=True)
class Layout:
    """How the tokens of a microbatch see each other. Exactly one of four ways.

    No field set: each row is one document.
    """

    documents: tuple[tuple[int, bool], ...] | None = None
    "Runs of the flattened rows: (tokens, each token is a document of its own)."

    mask: Tensor | None = None
    "bool (rows or 1, 1, tokens, tokens): True where a query sees a key."

    packed: Documents | None = None
    "All documents of the flattened rows, for a kernel that takes them in one call."


def training_layout(
    positions: Tensor,
    window: int | None = None,
    *,
    device: torch.device | None = None,
    in_one_call: bool = False,
) -> Layout:
    """The cheapest exact way to attend within documents.

    positions: int64 (rows, tokens), best on the host, where their lengths are read.
    window: last tokens that a token sees; None is all of its document.
    device: where queries are; None is that of `positions`.
    in_one_call: whether `varlen_attention` computes them.
    """
    rows, tokens = positions.shape
    place = device or positions.device
    lengths = document_lengths(positions)
    documents = _merge_single_tokens(lengths)
    windowed = window is not None and max(lengths) > window
    if in_one_call:
        packed = varlen_attention.documents_of(documents, place, window if windowed else None)
        return Layout(packed=packed)
    if not windowed and len(lengths) == rows:
        return Layout()
    split_cost = sum(length * length + _CALL_COST for length, single in documents if not single)
    if not windowed and split_cost < rows * tokens * tokens:
        return Layout(documents=documents)
    return Layout(mask=_block_mask(positions.to(place), window))


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
    if layout.packed is not None:
        q, k, v = (tensor.flatten(0, 1) for tensor in (query, key, value))
        return varlen_attention.attend_all(q, k, v, layout.packed).view(query.shape)
    documents = layout.documents
    if documents is None and layout.mask is None and usable(query):
        documents = ((query.shape[1], query.shape[1] == 1),) * query.shape[0]
    if documents is not None:
        return _attend_documents(query, key, value, documents)
    q, k, v = (tensor.transpose(1, 2) for tensor in (query, key, value))
    return _attended(q, k, v, layout.mask).transpose(1, 2)


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
        # A GPU's kernels may lay the heads out otherwise.
        return out.reshape(batch, 1, heads, head_dim).to(dtype)
    whole = new == total and (window is None or total <= window)
    # Without a mask it is aligned to the top left: right only where the cache was empty.
    mask = None if whole else _band(new, total, window, query.device)
    return _attended(query.transpose(1, 2), keys, values, mask).transpose(1, 2).to(dtype)


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
        q, k, v = (tensor.transpose(0, 1)[None] for tensor in (q, k, v))
        out = _attended(q, k, v, None)
        outputs.append(out[0].transpose(0, 1))
    return torch.cat(outputs).view(query.shape)


def _attended(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """torch's kernel over (rows, heads, tokens, head_dim); without a mask causal."""
    groups = query.shape[1] // key.shape[1]
    if groups > 1 and query.is_cuda and (mask is not None or query.dtype == torch.float32):
        # There the kernels that keep no scores take one key head a query head.
        key, value = (tensor.repeat_interleave(groups, dim=1) for tensor in (key, value))
    return functional.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, is_causal=mask is None, enable_gqa=query.shape[1] != key.shape[1]
    )


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


def _band(queries: int, keys: int, window: int | None, device: torch.device) -> Tensor:
    """bool (queries, keys): the last query stands at the last key, none sees the future."""
    distance = (torch.arange(queries, device=device) + keys - queries)[:, None] - torch.arange(
        keys, device=device
    )
    band = distance >= 0
    return band if window is None else band & (distance < window)
