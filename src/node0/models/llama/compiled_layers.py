# SPDX-License-Identifier: Apache-2.0
"""The layers of a stage as one list of calls of compiled code, for new tokens of several sequences.

This is `TransformerBlock.forward` again; the residual stream stays float32. Without adapters the interpreter
has no part in it: a thread that computes a step keeps nobody else from running.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from node0.models.block_cache import PanelCache
from node0.models.compiled.cached_attention import Attention, Tasks
from node0.models.compiled.call_list import Call, CallList
from node0.models.llama.adapter_rows import AdapterRows
from node0.models.llama.blocks import TransformerBlock
from node0.models.llama.compiled_calls import Norms, bits, functions, zeros
from node0.models.llama.compiled_linear import CompiledLinear


@dataclass(frozen=True, slots=True)
class _Room:
    """What passes from call to call, for so many rows; T is the type of the matrices."""

    rows: int
    x: Tensor
    "float32 (rows, hidden): the residual stream."

    cos: Tensor
    sin: Tensor
    "float32 (rows, dim)."

    normed: Tensor
    "T (rows, hidden), filled up to whole words, as all that is multiplied."

    joined: Tensor
    "T (rows, heads of queries, keys and values, dim)."

    turned: Tensor
    "float32, as `joined`."

    notes: Tensor
    attended: Tensor
    "float32 (rows, heads, dim)."

    narrowed: Tensor
    "T (rows, heads * dim)."

    both: Tensor
    "T (rows, 2 * ffn)."

    inner: Tensor
    "T (rows, ffn)."

    out: Tensor
    "T (rows, hidden): what attention or feed-forward adds to the stream."


@dataclass(frozen=True, slots=True)
class _Product:
    """A joined matrix's product, which adapters may add to, and the calls up to it."""

    layer_idx: int
    matrix: str
    x: Tensor
    y: Tensor
    end: int


class CompiledLayers:
    """Layers whose matrices are all compiled for. Shares their weights."""

    def __init__(self, layers: Sequence[TransformerBlock], cache: PanelCache, attention: Attention) -> None:
        self._layers, self._cache, self._attention = list(layers), cache, attention
        first = layers[0]
        self._dtype = first.feed_forward.w2.weight.dtype
        narrow, normed = self._dtype == torch.bfloat16, first.attention.q_norm is not None
        self._add, norm, self._turn, self._gate, self._narrow = functions(
            attention.heads, narrow=narrow, normed=normed
        )
        self._norms = Norms(norm)
        self._room: _Room | None = None

    def __call__(
        self, x: Tensor, cos: Tensor, sin: Tensor, *, tasks: Tasks, adapters: AdapterRows | None = None
    ) -> Tensor:
        """float32 (1, tokens, hidden) to the same; cos and sin (1, tokens, 1, dim). Appends to the cache."""
        rows = x.shape[1]
        room = self._for(rows)
        for place, value in ((room.x, x), (room.cos, cos), (room.sin, sin)):
            place[:rows].copy_(value.view(rows, -1))
        self._calls.prepare(rows)
        self._calls.fill(self._attention.function, tasks.arguments, threads=tasks.threads)
        self._calls.run(0 if adapters is None else self._adapted(adapters, rows))
        return room.x[None, :rows].clone()

    def _adapted(self, adapters: AdapterRows, rows: int) -> int:
        """Run all products, each with what adapters add; the call behind them."""
        begin = 0
        for product in self._products:
            self._calls.run(begin, product.end)
            adapters.add(product.layer_idx, product.matrix, product.x[None, :rows], product.y[None, :rows])
            begin = product.end
        return begin

    def _for(self, rows: int) -> _Room:
        """Room and calls for at least so many rows."""
        if self._room is None or self._room.rows < rows:
            self._room = self._new_room(1 << (rows - 1).bit_length())
            self._calls, self._products = self._listed(self._room)
        return self._room

    def _new_room(self, rows: int) -> _Room:
        heads, first = self._attention.heads, self._layers[0]
        queries, own = heads.kv_heads * heads.per_key, self._dtype
        all_heads, hidden = queries + 2 * heads.kv_heads, first.attention.wo.out_features
        ffn = first.feed_forward.w2.in_features
        product = cast(CompiledLinear, first.feed_forward.w2).product
        filled = 4 // own.itemsize

        def multiplied(width: int) -> Tensor:
            return zeros(rows, product.words(width) * filled, dtype=own)

        attended = zeros(rows, queries, heads.dim)
        return _Room(
            rows=rows,
            x=zeros(rows, hidden),
            cos=zeros(rows, heads.dim),
            sin=zeros(rows, heads.dim),
            normed=multiplied(hidden),
            joined=zeros(rows, all_heads, heads.dim, dtype=own),
            turned=zeros(rows, all_heads, heads.dim),
            notes=zeros(rows, queries, self._attention.notes),
            attended=attended,
            narrowed=multiplied(queries * heads.dim),
            both=zeros(rows, 2 * ffn, dtype=own),
            inner=multiplied(ffn),
            out=zeros(rows, hidden, dtype=own),
        )

    def _listed(self, room: _Room) -> tuple[CallList, list[_Product]]:
        calls, products = list[Call](), list[_Product]()
        for number, layer in enumerate(self._layers):
            if number:
                calls.append(self._added(room))
            for matrix, part in self._layer(layer, room):
                calls += part
                x, y = _ends(room, matrix)
                products.append(_Product(layer.attention.layer_idx, matrix, x, y, len(calls)))
        return CallList([*calls, self._added(room)]), products

    def _layer(self, layer: TransformerBlock, room: _Room) -> Iterator[tuple[str, list[Call]]]:
        """The calls of a layer up to each of its products, but for what its feed-forward adds."""
        attention, feed_forward = layer.attention, layer.feed_forward
        yield (
            "wqkv",
            [
                self._norms.call(layer.attention_norm, room.x, room.normed),
                self._multiplied(attention.wqkv, "wqkv", room),
            ],
        )
        yield "wo", [*self._attended(layer, room), self._multiplied(attention.wo, "wo", room)]
        normed = [self._added(room), self._norms.call(layer.ffn_norm, room.x, room.normed)]
        yield "w13", [*normed, self._multiplied(feed_forward.w13, "w13", room)]
        yield "w2", [self._gated(room), self._multiplied(feed_forward.w2, "w2", room)]

    def _multiplied(self, layer: object, matrix: str, room: _Room) -> Call:
        linear = cast(CompiledLinear, layer)
        x, y = _ends(room, matrix)
        words = linear.product.words(linear.in_features)
        return linear.product.call(x.data_ptr(), linear.panels, y.data_ptr(), words, linear.out_features)

    def _added(self, room: _Room) -> Call:
        hidden = room.x.shape[1]
        return Call(self._add, (room.x.data_ptr(), room.out.data_ptr(), hidden), work=hidden)

    def _attended(self, layer: TransformerBlock, room: _Room) -> Iterator[Call]:
        """Queries, keys and values turned, what they attend to, and that in the matrices' type."""
        heads, norms = self._attention.heads, (layer.attention.q_norm, layer.attention.k_norm)
        weights = tuple(0 if norm is None else self._norms.weight(norm) for norm in norms)
        eps = 0.0 if norms[0] is None else norms[0].eps
        places = tuple(each.data_ptr() for each in (room.joined, room.turned, room.cos, room.sin))
        yield Call(self._turn, (*places, *weights, bits(eps)), work=room.joined[0].numel())
        sizes = [heads.kv_heads * heads.per_key, heads.kv_heads, heads.kv_heads]
        query, key, value = torch.split(room.turned, sizes, dim=1)
        cached = self._cache.layer(layer.attention.layer_idx)
        yield self._attention.call(query, key, value, cached, out=room.attended, notes=room.notes)
        width = room.attended[0].numel()
        places = (room.attended.data_ptr(), room.narrowed.data_ptr())
        yield Call(self._narrow, (*places, width, room.narrowed.shape[1]), work=width)

    def _gated(self, room: _Room) -> Call:
        width = room.both.shape[1] // 2
        places = (room.both.data_ptr(), room.inner.data_ptr())
        return Call(self._gate, (*places, width, room.inner.shape[1]), work=16 * width)


def _ends(room: _Room, matrix: str) -> tuple[Tensor, Tensor]:
    """Inputs and outputs of a joined matrix."""
    return {
        "wqkv": (room.normed, room.joined.flatten(1)),
        "wo": (room.narrowed, room.out),
        "w13": (room.normed, room.both),
        "w2": (room.inner, room.out),
    }[matrix]
