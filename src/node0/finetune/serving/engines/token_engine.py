# SPDX-License-Identifier: Apache-2.0
"""The engine protocol: token ids in, token ids out as they come, whatever computes them."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor

from node0.finetune.serving.constraint import AnswerForm
from node0.pipeline.protocol import SamplingParams

HELD_BACK = -1
"Stands for an id that an engine told no more of than its part of a later one's text."


class TokenMask(Protocol):
    """Which ids may come next; one object an answer, asked and told in turn by one thread."""

    def allowed(self) -> Tensor | None:
        """bool (up to vocab,), True where an id may come next: ids beyond may not. None allows all."""
        ...

    def accept(self, token_id: int) -> None:
        """The id that came."""
        ...


@dataclass(frozen=True, slots=True)
class GeneratedToken:
    """One id of an answer, and how likely it was."""

    id: int
    logprob: float | None = None
    "Natural logarithm of its probability by the model alone; None unless it was asked for."

    top: tuple[tuple[int, float], ...] = ()
    "The likeliest ids with theirs, in falling order."

    text: str | None = None
    "What it spells with those HELD_BACK before it, as the engine says; None leaves that to the tokenizer."


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
    logprobs: int | None = None
    "How many of the likeliest ids are told with each id; 0 tells the id's own alone, None nothing."

    mask: TokenMask | None = None
    "What may come next; None is anything."

    form: AnswerForm | None = None
    "The same for an engine that makes masks of its own."


@dataclass(frozen=True, slots=True)
class EngineFigures:
    """What a base of an engine of ours holds now, and did since it was loaded."""

    running: int
    waiting: int
    cache_blocks: int
    cache_blocks_held: int
    "By sequences that run; others may be given up at any time."

    cache_bytes: int
    computed_ids: int
    reused_ids: int
    "Ids of prompts that were found in the cache."

    guessed_ids: int
    taken_ids: int
    "Guessed ids that were right."

    preempted: int
    "How often a sequence gave up its blocks for an older one."


class TokenStream(Protocol):
    """An answer's ids as they come, maybe with a stop id at the end; what follows one is not looked at."""

    reused: int
    "Ids of the prompt that were not computed again; 0 until the first id has come."

    def __aiter__(self) -> AsyncIterator[GeneratedToken]: ...

    async def __anext__(self) -> GeneratedToken: ...

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
            ConfigError: the request asks for what this engine cannot do.
        """
        ...

    async def ready(self) -> str:
        """Why it cannot answer now; empty when it can."""
        ...

    def waiting(self) -> dict[str, int]:
        """Requests that are computed or wait, by model; for the metrics."""
        ...

    def figures(self) -> Mapping[str, EngineFigures]:
        """What its bases hold and did, by name; for the metrics. Empty where another program knows."""
        ...

    async def close(self) -> None:
        """End what runs, and free everything."""
        ...
