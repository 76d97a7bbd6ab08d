# SPDX-License-Identifier: Apache-2.0
"""What a stage keeps of a sequence; on our own blocks, keys and values of its tokens."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from node0.errors import ConfigError


class SequenceCache(ABC):
    """What spares a sequence's next tokens the ones before. Made by a stage's `new_cache`, for it alone."""

    @property
    @abstractmethod
    def nbytes(self) -> int:
        """Bytes of keys and values."""

    @abstractmethod
    def truncate(self, length: int) -> None:
        """Forget all but the first `length` tokens."""

    @abstractmethod
    def __len__(self) -> int: ...


class KVCache(SequenceCache):
    """Preallocated keys and values of one session on one stage.

    `update` writes behind what is there and returns views, so a token costs no copy of the past.
    """

    def __init__(  # noqa: PLR0913  # a shape has that many sides
        self,
        n_layers: int,
        max_length: int,
        *,
        n_kv_heads: int,
        head_dim: int,
        first_layer: int = 0,
        batch_size: int = 1,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        shape = (n_layers, 2, batch_size, n_kv_heads, max_length, head_dim)
        self._tensors = torch.empty(shape, dtype=dtype, device=device)
        self._pairs = [(pair[0], pair[1]) for pair in self._tensors]
        self._lengths = [0] * n_layers
        self.first_layer = first_layer
        self.max_length = max_length

    @property
    def nbytes(self) -> int:
        """Bytes that the cache holds, filled or not."""
        return self._tensors.nbytes

    def update(self, layer_idx: int, new_key: Tensor, new_value: Tensor) -> tuple[Tensor, Tensor]:
        """Append (batch, kv heads, new tokens, head dim) to a layer; `layer_idx` counts in the whole model.

        Returns keys and values of the whole sequence: (batch, kv heads, tokens, head dim).

        Raises:
            ConfigError: the sequence would grow past `max_length`.
        """
        index = layer_idx - self.first_layer
        start = self._lengths[index]
        end = start + new_key.shape[2]
        if end > self.max_length:
            raise ConfigError(
                f"sequence of {end} tokens does not fit a cache of {self.max_length}; raise max_length"
            )
        keys, values = self._pairs[index]
        keys[:, :, start:end] = new_key
        values[:, :, start:end] = new_value
        self._lengths[index] = end
        return keys[:, :, :end], values[:, :, :end]

    def truncate(self, length: int) -> None:
        """Forget all but the first `length` tokens."""
        self._lengths = [min(length, held) for held in self._lengths]

    def reset(self) -> None:
        """Forget the sequence; the memory stays."""
        self.truncate(0)

    def __len__(self) -> int:
        return self._lengths[0] if self._lengths else 0
