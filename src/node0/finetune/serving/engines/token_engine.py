# SPDX-License-Identifier: Apache-2.0
"""The engine protocol: token ids in, token ids out as they come, whatever computes them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Protocol

from node0.pipeline.protocol import SamplingParams


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """What an engine is asked."""

    model: str
    "As the engine names it."

    prompt: tuple[int, ...]
    max_tokens: int
    stop_ids: tuple[int, ...] = ()
    "Ids that end an answer."

    sampling: SamplingParams = field(default_factory=SamplingParams)


class TokenStream(Protocol):
    """An answer's ids. It may end with a stop id or without; what comes after one is not looked at."""

    reused: int
    "Ids of the prompt that were not computed again; 0 until the first id has come."

    def __aiter__(self) -> AsyncIterator[int]: ...

    async def __anext__(self) -> int: ...

    async def aclose(self) -> None:
        """Stop computing and give back the place; at any time, and more than once."""
        ...


class Engine(Protocol):
    """Computes answers for one or more models."""

    async def open(self, request: GenerationRequest) -> TokenStream:
        """Take a request; its ids come when its turn has come.

        Raises:
            EngineBusy: as many requests wait as may.
            EngineUnavailable: the engine cannot be reached, or refuses.
        """
        ...

    async def ready(self) -> str:
        """Why it cannot answer now; empty when it can."""
        ...

    def waiting(self) -> dict[str, int]:
        """Requests that are computed or wait, by model; for the metrics."""
        ...

    async def close(self) -> None:
        """End what runs, and free everything."""
        ...
