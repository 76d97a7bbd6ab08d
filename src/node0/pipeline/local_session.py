# SPDX-License-Identifier: Apache-2.0
"""A generation session over stages of this process."""

import secrets
from collections.abc import Sequence

import torch
from torch import Tensor

from node0.errors import ConfigError
from node0.pipeline.protocol import SamplingParams
from node0.server.stage.executor import StageExecutor


class LocalSession:
    """One cache per stage; ids go in at the head, the tail samples, an id comes out."""

    def __init__(
        self,
        executors: Sequence[StageExecutor],
        params: SamplingParams,
        *,
        max_length: int,
        adapter: str | None,
    ) -> None:
        self._stages = [(executor, executor.new_sequence(max_length)) for executor in executors]
        self._adapter = adapter
        self.draw_by(params)

    def __len__(self) -> int:
        return len(self._stages[0][1]) if self._stages else 0

    @property
    def nbytes(self) -> int:
        """Bytes that the caches hold."""
        return sum(session.nbytes for _, session in self._stages)

    def extend(self, ids: Sequence[int]) -> int:
        """Append these ids to the sequence, sample and return the next id (not yet appended).

        Raises:
            ConfigError: there are no ids, the session is closed, or it would outgrow its `max_length`.
        """
        x = self._hidden(ids)
        params, tail = self._params, self._stages[-1][1]
        return tail.sample(
            x, temperature=params.temperature, top_p=params.top_p, top_k=params.top_k, seed=self._seed
        )

    def scores(self, ids: Sequence[int]) -> Tensor:
        """Append these ids and return the logits of what follows: float32 (vocab,). Nothing is sampled.

        Raises:
            As `extend`.
        """
        x = self._hidden(ids)
        return self._stages[-1][1].logits(x)

    def draw_by(self, params: SamplingParams) -> None:
        """Draw by these settings from now on; without a seed, by a new one."""
        self._params = params
        self._seed = params.seed if params.seed is not None else secrets.randbits(62)

    def rollback(self, length: int) -> None:
        """Forget all but the first `length` tokens."""
        for _, session in self._stages:
            session.rollback(length)

    def close(self) -> None:
        """Free the caches."""
        self._stages = []

    def _hidden(self, ids: Sequence[int]) -> Tensor:
        """The residual stream (1, new, width) behind the last stage."""
        if not ids or not self._stages:
            raise ConfigError(
                "nothing to extend: " + ("give at least one id" if not ids else "session is closed")
            )
        x = torch.tensor([ids], dtype=torch.int64)
        for executor, session in self._stages:
            x = executor.extend(session, x, adapter=self._adapter)
        return x
