# SPDX-License-Identifier: Apache-2.0
"""The block cache of a stage: keys and values of many sequences, in blocks that any of them may share."""

import math

import numpy as np
import torch
from torch import Tensor

BLOCK = 32
"Tokens of a block."


class BlockCache:
    """Keys and values of `n_blocks` blocks; which sequence has which block is its owner's affair."""

    def __init__(  # a shape has that many sides
        self,
        n_layers: int,
        n_blocks: int,
        *,
        n_kv_heads: int,
        head_dim: int,
        first_layer: int = 0,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        shape = (n_layers, n_blocks, BLOCK, n_kv_heads, head_dim)
        self._keys, self._values = _zeros(shape, dtype, device), _zeros(shape, dtype, device)
        self._first_layer = first_layer

    @property
    def nbytes(self) -> int:
        """Bytes that the cache may hold."""
        return self._keys.nbytes + self._values.nbytes

    @property
    def dtype(self) -> torch.dtype:
        """Type in which keys and values are kept."""
        return self._keys.dtype

    @property
    def device(self) -> torch.device:
        """Where they are kept."""
        return self._keys.device

    def write(self, layer_idx: int, slots: Tensor, keys: Tensor, values: Tensor) -> None:
        """Put tokens (tokens, kv heads, dim) into slots: int64 (tokens,), block * BLOCK + place."""
        index = layer_idx - self._first_layer
        for cache, new in ((self._keys, keys), (self._values, values)):
            cache[index].flatten(0, 1).index_copy_(0, slots, new.to(cache.dtype))

    def read(self, layer_idx: int, table: Tensor, run: int | None = None) -> tuple[Tensor, Tensor]:
        """Keys and values of rows of blocks, each (rows, kv heads, tokens, dim).

        table: int64 (rows, blocks). run: the first block where one row's lie one behind the other:
        what is returned is a view then.
        """
        index = layer_idx - self._first_layer
        return self._rows(self._keys[index], table, run), self._rows(self._values[index], table, run)

    def copy(self, source: int, target: int) -> None:
        """Make one block what another is."""
        for cache in (self._keys, self._values):
            cache[:, target] = cache[:, source]

    def _rows(self, cache: Tensor, table: Tensor, run: int | None) -> Tensor:
        rows, blocks = table.shape
        found = cache.index_select(0, table.flatten()) if run is None else cache[run : run + blocks]
        return found.view(rows, blocks * BLOCK, *cache.shape[2:]).transpose(1, 2)


class PanelCache:
    """As `BlockCache`, in float32 on the processor, as compiled attention reads it."""

    def __init__(
        self, n_layers: int, n_blocks: int, *, n_kv_heads: int, head_dim: int, first_layer: int = 0
    ) -> None:
        self._first_layer = first_layer
        # Vectors are read whole, also those that begin with the last numbers.
        self._keys, self._values = (
            _zeros((n_layers, n_blocks, n_kv_heads, *sides), torch.float32, "cpu", slack=2 * BLOCK)
            for sides in ((head_dim, BLOCK), (BLOCK, head_dim))
        )

    @property
    def nbytes(self) -> int:
        """Bytes that the cache may hold."""
        return self._keys.nbytes + self._values.nbytes

    def layer(self, layer_idx: int) -> tuple[Tensor, Tensor]:
        """Keys (blocks, kv heads, dim, BLOCK) and values (blocks, kv heads, BLOCK, dim) of a layer."""
        index = layer_idx - self._first_layer
        return self._keys[index], self._values[index]

    def copy(self, source: int, target: int) -> None:
        """Make one block what another is."""
        for cache in (self._keys, self._values):
            cache[:, target] = cache[:, source]


def block_bytes(n_layers: int, n_kv_heads: int, head_dim: int, dtype: torch.dtype) -> int:
    """Bytes of a block over so many layers."""
    return 2 * n_layers * BLOCK * n_kv_heads * head_dim * dtype.itemsize


def _zeros(
    shape: tuple[int, ...], dtype: torch.dtype, device: torch.device | str, *, slack: int = 0
) -> Tensor:
    """Zeros: what is masked out must be finite. On a processor memory is taken when it is written to.

    `slack`: numbers behind the last one that may be read.
    """
    if torch.device(device).type == "cpu" and dtype == torch.float32:
        numbers = math.prod(shape)
        return torch.from_numpy(np.zeros(numbers + slack, dtype=np.float32)[:numbers].reshape(shape))
    return torch.zeros(shape, dtype=dtype, device=device)
