# SPDX-License-Identifier: Apache-2.0
"""Masks of the ids that a grammar allows next, by llguidance, which is loaded when a request needs it."""

import json
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from node0.errors import ConfigError

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer

_BITS = torch.arange(8, dtype=torch.uint8)


class GrammarMasks:
    """Masks for one tokenizer."""

    def __init__(self, tokenizer: Any, *, vocab_size: int, stop_ids: Sequence[int]) -> None:
        self._given = tokenizer
        self._vocab_size = vocab_size
        self._stop_ids = list(stop_ids)

    def mask(self, grammar: str) -> "GrammarMask":
        """A mask at the beginning of an answer.

        Raises:
            ConfigError: the grammar holds a schema that cannot be followed, or the tokenizer cannot be used.
        """
        from llguidance import LLMatcher  # most servers never need it

        check_grammar(grammar, self._tokenizer)
        return GrammarMask(LLMatcher(self._tokenizer, grammar), self._stop_ids)

    @cached_property
    def _tokenizer(self) -> "LLTokenizer":
        from llguidance import LLTokenizer  # as above

        backend = getattr(self._given, "backend_tokenizer", None)
        if backend is None or not self._stop_ids:
            raise ConfigError("constraints need a tokenizer.json and an end token; leave them out")
        file = {**json.loads(backend.to_str()), "padding": None, "truncation": None}
        return LLTokenizer(json.dumps(file), n_vocab=self._vocab_size, eos_token=self._stop_ids)


def check_grammar(grammar: str, tokenizer: "LLTokenizer | None" = None) -> None:
    """See whether the grammar can be followed, by a tokenizer or by any.

    Raises:
        ConfigError: it holds a schema that cannot be.
    """
    from llguidance import LLMatcher  # as above

    if problem := LLMatcher.validate_grammar(grammar, tokenizer):
        said = " ".join(problem.split())[:200]
        raise ConfigError(f"the schema cannot be followed here ({said}); make it simpler")


class GrammarMask:
    """What may come next in one answer."""

    def __init__(self, matcher: "LLMatcher", stop_ids: Sequence[int]) -> None:
        self._matcher = matcher
        self._stop_ids = stop_ids

    def allowed(self) -> Tensor:
        """bool (vocab rounded up to 32,): after the last thing that the grammar allows, stop ids alone."""
        if self._matcher.is_stopped():
            ends = torch.zeros(max(self._stop_ids) + 1, dtype=torch.bool)
            ends[list(self._stop_ids)] = True
            return ends
        packed = torch.frombuffer(bytearray(self._matcher.compute_bitmask()), dtype=torch.uint8)
        return ((packed.unsqueeze(1) >> _BITS) & 1).bool().flatten()  # (bytes, 8) to (bits,)

    def accept(self, token_id: int) -> None:
        """The id that came."""
        self._matcher.consume_token(token_id)
