# SPDX-License-Identifier: Apache-2.0
"""A sequence of a batch: its ids, the blocks that hold its keys and values, and how far they go."""

import secrets
from dataclasses import dataclass, field

from node0.finetune.serving.engines.batching.prompt_lookup import PromptLookup
from node0.finetune.serving.engines.token_engine import GenerationRequest
from node0.pipeline.batch_runner import blocks_for


@dataclass(eq=False, slots=True)
class Sequence:
    """One request while it is computed."""

    request: GenerationRequest
    adapter: str | None = None
    ids: list[int] = field(init=False)
    "The prompt, and what was drawn."

    seed: int = field(init=False)
    lookup: PromptLookup | None = field(init=False)
    "None where ids cannot be guessed ahead."

    computed: int = 0
    "Ids whose keys and values are in the blocks."

    blocks: list[int] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)
    "Of its full blocks, in order."

    reused: int = 0
    "Ids of the prompt that were found in the cache when it was first admitted."

    admitted: bool = False
    done: bool = False

    def __post_init__(self) -> None:
        sampling = self.request.sampling
        self.ids = list(self.request.prompt)
        self.seed = secrets.randbits(62) if sampling.seed is None else sampling.seed
        # Guesses are compared with what is drawn: they pay where the draw is the likeliest id.
        greedy = sampling.temperature == 0 and self.request.mask is None
        self.lookup = PromptLookup() if greedy else None

    @property
    def pending(self) -> int:
        """Ids that are known and not computed."""
        return len(self.ids) - self.computed

    @property
    def left(self) -> int:
        """Ids that may still be drawn."""
        return self.request.max_tokens + len(self.request.prompt) - len(self.ids)

    @property
    def most_blocks(self) -> int:
        """Blocks that it may come to need; the last id that is drawn is never computed."""
        return blocks_for(len(self.request.prompt) + self.request.max_tokens - 1)
