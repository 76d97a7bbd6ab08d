# SPDX-License-Identifier: Apache-2.0
"""Attention of several sequences at once, each over its own blocks of a cache.

On a processor a row's result depends on its own sequence alone, to the last bit: products get rows in
multiples of ROWS and keys in sizes that the matrix library sums in one order, whatever stands beside.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from node0.models.block_cache import BLOCK, BlockCache

ROWS = 8
"Products of fewer rows are summed in another order, so rows are filled up to a multiple of this."

_SHORT = (2, 4)
"Blocks to which the rest of a sequence beyond whole `_LONG` is filled up; more is one `_LONG`."

_LONG = 16


@dataclass(frozen=True, slots=True)
class Segment:
    """New tokens of one sequence."""

    start: int
    "Tokens that its blocks hold already."

    count: int
    blocks: Sequence[int]
    "For all tokens up to the last new one, at least."

    adapter: str | None = None


@dataclass(frozen=True, slots=True)
class _Group:
    """Sequences of about one length that attend in one call."""

    rows: Tensor
    "int64 (sequences, queries): which new token each query is; some more than once, to fill up."

    table: Tensor
    "int64 (sequences, blocks)."

    run: int | None
    "First block of a single sequence whose blocks lie one behind the other."

    mask: Tensor
    "float (sequences, 1, queries * queries a key head, tokens): 0 where a query sees a key, else -inf."

    taken: Tensor
    "Which of the flattened queries are tokens, each once."

    given: Tensor
    "Which tokens these are."


class BatchAttention:
    """How the new tokens of one step see what came before them; made once a step, used by all layers."""

    def __init__(
        self,
        segments: Sequence[Segment],
        *,
        n_blocks: int,
        per_key: int,
        window: int | None,
        cache: BlockCache,
        multiple: int = ROWS,
    ) -> None:
        """Prepare a step.

        `n_blocks` there are in all; `per_key`: query heads a key head; `window`: last tokens seen;
        `multiple`: to which the rows of products are filled up.
        """
        self._per_key, self._window, self._device = per_key, window, cache.device
        self._dtype, self._n_blocks = cache.dtype, n_blocks
        firsts = [0]
        for segment in segments:
            firsts.append(firsts[-1] + segment.count)
        self.n_tokens = firsts[-1]
        self.n_rows = -(-self.n_tokens // multiple) * multiple
        "Tokens, filled up."

        self.slots = self._tensor([slot for segment in segments for slot in slots_of(segment)])
        alike: dict[tuple[int, int, int | None], list[tuple[Segment, int]]] = {}
        for segment, first in zip(segments, firsts[:-1], strict=True):
            queries, blocks = self._size(segment)
            # Reading in place saves more than a call costs where there is much to read.
            alone = first if blocks >= _LONG and _is_run(segment.blocks) else None
            alike.setdefault((queries, blocks, alone), []).append((segment, first))
        self._groups = [self._group(members, *size) for (*size, _), members in alike.items()]

    def attend(self, cache: BlockCache, layer_idx: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Append keys and values, and attend.

        query (rows, heads, dim), key and value (rows, kv heads, dim); returns query's shape and type,
        zeros in rows that only fill up.
        """
        n, out = self.n_tokens, torch.zeros_like(query)
        cache.write(layer_idx, self.slots, key[:n], value[:n])
        for group in self._groups:
            keys, values = cache.read(layer_idx, group.table, group.run)
            sequences, queries = group.rows.shape
            shape = (sequences, queries, keys.shape[1], self._per_key, query.shape[-1])
            asked = query[group.rows].view(shape).transpose(1, 2).flatten(2, 3)
            found = functional.scaled_dot_product_attention(
                asked.to(keys.dtype), keys, values, attn_mask=group.mask
            )
            found = found.view(sequences, keys.shape[1], queries, self._per_key, -1).transpose(1, 2)
            flat = found.reshape(sequences * queries, *query.shape[1:])
            out.index_copy_(0, group.given, flat[group.taken].to(out.dtype))
        return out

    def _size(self, segment: Segment) -> tuple[int, int]:
        """Queries and blocks of the group that a segment belongs to."""
        step = max(1, ROWS // self._per_key)
        blocks = -(-(segment.start + segment.count) // BLOCK)
        whole, rest = divmod(blocks, _LONG)
        filled = next((size for size in (0, *_SHORT) if rest <= size), _LONG)
        return -(-segment.count // step) * step, whole * _LONG + filled

    def _group(self, members: Sequence[tuple[Segment, int]], queries: int, blocks: int) -> _Group:
        rows: list[list[int]] = []
        taken: list[int] = []
        given: list[int] = []
        for number, (segment, first) in enumerate(members):
            rows.append([first + min(index, segment.count - 1) for index in range(queries)])
            taken += range(number * queries, number * queries + segment.count)
            given += range(first, first + segment.count)
        table = [self._filled(segment.blocks, blocks) for segment, _ in members]
        start, one = table[0][0], len(table) == 1
        return _Group(
            rows=self._tensor(rows),
            table=self._tensor(table),
            run=start if one and _is_run(table[0]) else None,
            mask=self._mask([segment for segment, _ in members], queries, blocks * BLOCK),
            taken=self._tensor(taken),
            given=self._tensor(given),
        )

    def _filled(self, blocks: Sequence[int], wanted: int) -> list[int]:
        """So many blocks: those behind its own are masked, and best lie behind them."""
        more = range(blocks[-1] + 1, blocks[-1] + 1 + max(0, wanted - len(blocks)))
        return [*blocks[:wanted], *(min(block, self._n_blocks - 1) for block in more)]

    def _mask(self, segments: Sequence[Segment], queries: int, tokens: int) -> Tensor:
        last = self._tensor([[segment.start, segment.count - 1] for segment in segments])
        places = torch.arange(queries, device=self._device).minimum(last[:, 1:]) + last[:, :1]
        distance = places[:, :, None] - torch.arange(tokens, device=self._device)
        hidden = distance < 0
        if self._window is not None:
            hidden |= distance >= self._window
        mask = torch.zeros(hidden.shape, dtype=self._dtype, device=self._device)
        mask.masked_fill_(hidden, -torch.inf)
        return mask.repeat_interleave(self._per_key, dim=1).unsqueeze(1)

    def _tensor(self, values: Sequence[object]) -> Tensor:
        return torch.tensor(values, dtype=torch.int64, device=self._device)


def positions_of(segments: Sequence[Segment], rows: int) -> list[int]:
    """Each new token's place in its sequence; 0 in rows that only fill up."""
    found = [segment.start + index for segment in segments for index in range(segment.count)]
    return found + [0] * (rows - len(found))


def slots_of(segment: Segment) -> list[int]:
    """Where each new token lies in a cache: block * BLOCK + place."""
    places = range(segment.start, segment.start + segment.count)
    return [segment.blocks[place // BLOCK] * BLOCK + place % BLOCK for place in places]


def _is_run(blocks: Sequence[int]) -> bool:
    """Whether blocks lie one behind the other."""
    return list(blocks) == list(range(blocks[0], blocks[0] + len(blocks)))
