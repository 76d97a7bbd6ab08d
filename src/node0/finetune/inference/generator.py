# SPDX-License-Identifier: Apache-2.0
"""Generate token ids one by one over a pipeline."""

import math
from collections import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from node0.errors import ConfigError
from node0.finetune.inference.text import Decode, TextStream
from node0.pipeline.protocol import DecodingSession, SamplingParams


@dataclass(frozen=True, slots=True)
class _Limits:
    stop_ids: frozenset[int]
    stop_strings: tuple[str, ...]
    max_new_tokens: int


class Sessions(Protocol):
    """What opens sequences: a pipeline, or what keeps some of them."""

    def session(
        self, params: SamplingParams, *, max_length: int, adapter: str | None = None
    ) -> DecodingSession:
        """Open a sequence of at most `max_length` tokens."""
        ...


class Generator:
    """Asks a pipeline for one id after the other. Every call has a sequence and caches of its own."""

    def __init__(
        self,
        pipeline: Sessions,
        *,
        context: int,
        stop_ids: Sequence[int] = (),
        decode: Decode | None = None,
        adapter: str | None = None,
    ) -> None:
        """Generate over `pipeline`.

        Args:
            pipeline: where the stages are.
            context: most tokens that a prompt and its answer may have together.
            stop_ids: ids that always end an answer, such as the end of a turn.
            decode: ids to text; needed for stop strings.
            adapter: the adapter to answer with; None is whatever the pipeline has on.
        """
        self._pipeline = pipeline
        self.context = context
        self._stop_ids = frozenset(stop_ids)
        self._decode = decode
        self._adapter = adapter

    def generate(  # noqa: PLR0913  # the plan's parameters, and the usual three more
        self,
        prompt_ids: Sequence[int],
        max_new_tokens: int = 512,
        temperature: float = 1.0,
        top_p: float = 0.9,
        stop_token_ids: Sequence[int] | None = None,
        *,
        top_k: int = 0,
        seed: int | None = None,
        stop_strings: Sequence[str] = (),
    ) -> abc.Generator[int, None, None]:
        """Yield ids as they are sampled, until a stop, `max_new_tokens` or the end of the context.

        A stop id is not yielded; the id that completes a stop string is the last one. Closing the
        iterator frees the caches.

        Raises:
            ConfigError: at the call, before anything is computed: the prompt is empty or longer than
                the context, a parameter is out of range, or stop strings are given without `decode`.
        """
        if stop_strings and self._decode is None:
            raise ConfigError("stop strings need a tokenizer; give the Generator `decode`")
        room = self._room(len(prompt_ids))
        limits = _Limits(
            stop_ids=self._stop_ids.union(stop_token_ids or ()),
            stop_strings=tuple(stop_strings),
            max_new_tokens=min(max_new_tokens, room),
        )
        return self._run(list(prompt_ids), sampling_params(temperature, top_p, top_k, seed), limits)

    def _room(self, n_prompt: int) -> int:
        if n_prompt == 0:
            raise ConfigError("the prompt is empty; give at least one token")
        if n_prompt >= self.context:
            raise ConfigError(
                f"the prompt has {n_prompt} tokens and the model's context is {self.context}; shorten it"
            )
        return self.context - n_prompt

    def _run(
        self, prompt: list[int], params: SamplingParams, limits: _Limits
    ) -> abc.Generator[int, None, None]:
        if limits.max_new_tokens <= 0:
            return
        text = TextStream(self._decode, limits.stop_strings) if self._decode and limits.stop_strings else None
        max_length = len(prompt) + limits.max_new_tokens
        session = self._pipeline.session(params, max_length=max_length, adapter=self._adapter)
        try:
            token = session.extend(prompt)
            for left in range(limits.max_new_tokens - 1, -1, -1):
                if token in limits.stop_ids:
                    return
                yield token
                if left == 0 or (text is not None and _ends(text, token)):
                    return
                token = session.extend((token,))
        finally:
            session.close()


def _ends(text: TextStream, token: int) -> bool:
    text.push(token)
    return text.stopped


def sampling_params(temperature: float, top_p: float, top_k: int, seed: int | None) -> SamplingParams:
    """These settings, checked.

    Raises:
        ConfigError: one is out of its range.
    """
    if not 0 <= temperature < math.inf:
        raise ConfigError(f"temperature {temperature} is not 0 or more; 0 is greedy, 1 is the model's own")
    if not 0 < top_p <= 1:
        raise ConfigError(f"top_p {top_p} is not in (0, 1]; 1 switches it off")
    if top_k < 0:
        raise ConfigError(f"top_k {top_k} is negative; 0 switches it off")
    return SamplingParams(temperature=temperature, top_p=top_p, top_k=top_k, seed=seed)
