# SPDX-License-Identifier: Apache-2.0
"""A cached sequence at one stage: its KV cache, and sampling its next token."""

from typing import cast

import torch
from torch import Tensor

from node0.errors import ConfigError
from node0.lora.linear import keyed_generator
from node0.models.sampling import sample_token
from node0.models.stage import Head, Stage


class CachedSequence:
    """One stage's part of a sequence that is generated. Made by `StageExecutor.new_sequence`."""

    def __init__(self, stage: Stage, max_length: int) -> None:
        self._stage = stage
        self._cache = stage.new_cache(max_length)
        self._length = 0
        self.max_length = max_length

    def __len__(self) -> int:
        return self._length

    @property
    def nbytes(self) -> int:
        """Bytes that the cache holds, filled or not."""
        return self._cache.nbytes

    @torch.no_grad()
    def extend(self, x: Tensor) -> Tensor:
        """Append tokens: int64 ids (1, new) where the stage embeds, else hidden (1, new, width).

        Returns the residual stream (1, new, width).

        Raises:
            ConfigError: the sequence would grow past `max_length`; nothing was appended.
        """
        start, end = self._length, self._length + x.shape[1]
        if end > self.max_length:
            raise ConfigError(
                f"a sequence of {end} tokens does not fit this session's {self.max_length}; raise max_length"
            )
        positions = torch.arange(start, end, device=x.device).unsqueeze(0)
        hidden = self._stage.forward_hidden(x, positions, self._cache)
        self._length = end
        return hidden

    @torch.no_grad()
    def sample(self, hidden: Tensor, *, temperature: float, top_p: float, top_k: int, seed: int) -> int:
        """Draw the id that follows the last of these rows (1, new, width). For a stage with the LM head.

        The draw depends on seed and position alone: replay and rollback repeat it.
        """
        logits = self.logits(hidden)
        generator = None
        if temperature > 0:
            generator = keyed_generator("sample", seed, self._length, device=logits.device)
        return sample_token(logits, temperature, top_p, top_k, generator=generator)

    @torch.no_grad()
    def logits(self, hidden: Tensor) -> Tensor:
        """float32 (vocab,) behind the last of these rows (1, new, width). For a stage with the LM head."""
        return cast(Head, self._stage).logits(hidden[:, -1])[0]

    def rollback(self, length: int) -> None:
        """Forget all but the first `length` tokens."""
        self._length = min(self._length, length)
        self._cache.truncate(length)
