# SPDX-License-Identifier: Apache-2.0
"""What is asked of a stage, whoever computes its layers: our own blocks, or a model of transformers."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn

from node0.lora.four_bit import dense_type
from node0.models.kv_cache import SequenceCache

Recompute = Callable[[], bool]
"Asked before each layer; True keeps only its input and computes the rest again in the backward pass."


class Stage(nn.Module):
    """A run of layers of a causal language model."""

    has_embedding = False
    has_head = False
    is_whole = False
    "Whether it holds a model of Hugging Face as it is, with its tensors' names behind `weights.WHOLE`."

    @property
    def dtype(self) -> torch.dtype:
        """Type of the matrices as they are multiplied, and of what passes between them."""
        return next((dense_type(p) for p in self.parameters() if p.dim() > 1), torch.float32)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next((p.device for p in self.parameters()), torch.device("cpu"))

    @property
    def tied_ends(self) -> bool:
        """Whether the LM head, on the last stage, is the table of the first."""
        return False

    @abstractmethod
    def forward_hidden(
        self,
        x: Tensor,
        positions: Tensor,
        cache: SequenceCache | None = None,
        *,
        recompute: Recompute | None = None,
    ) -> Tensor:
        """The residual stream behind this stage's layers: (batch, tokens, hidden).

        x: int64 ids (batch, tokens) where the stage embeds, else the stream of the stage before.
        positions: int64 (batch, tokens), on the stage's device or on the host. Without a cache 0 starts a
        document and documents do not see each other; with one, the tokens follow what the cache holds and
        positions count on.
        """

    @abstractmethod
    def new_cache(self, max_length: int, *, batch_size: int = 1) -> SequenceCache:
        """An empty cache for one session of at most `max_length` tokens on this stage."""


class Head(Protocol):
    """What the last stage has besides; `hidden` is its own residual stream (batch, tokens, hidden)."""

    def logits(self, hidden: Tensor) -> Tensor:
        """float32 (..., vocab) of any rows of the residual stream (..., hidden)."""
        ...

    def chunked_loss(self, hidden: Tensor, labels: Tensor) -> tuple[Tensor, int]:
        """Sum of cross-entropies over supervised positions (float32 scalar), and their number.

        labels: int64 (batch, tokens), IGNORE where not supervised. No tensor of all logits exists.
        """
        ...

    def label_logps(self, hidden: Tensor, labels: Tensor) -> Tensor:
        """Log probability of each label, float32 (batch, tokens), 0 where IGNORE. Differentiable."""
        ...
