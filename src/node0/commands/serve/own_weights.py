# SPDX-License-Identifier: Apache-2.0
"""Which weights our own engine loads: one base for all adapters over it, and how large its cache may be."""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from node0 import console
from node0.commands.serve.model_offers import Offer, SourceChoice
from node0.errors import DoesNotFit
from node0.finetune.inference.loaded_stages import cache_block_bytes, weight_bytes
from node0.finetune.inference.loading import load_runner, load_weights
from node0.finetune.inference.source import ModelSource
from node0.finetune.serving.engines.batching.batch_engine import BatchEngine
from node0.finetune.serving.engines.batching.single_engine import SingleEngine
from node0.finetune.serving.engines.local_engine import Placement
from node0.finetune.serving.engines.model_pool import Loader
from node0.finetune.training.plan.memory_estimate import free_bytes
from node0.models.base_model import BaseModelDir
from node0.models.block_cache import BLOCK
from node0.models.device import pick_device
from node0.pipeline.batch_runner import blocks_for

CACHE_SHARE = 0.5
"Of the memory that is free beside the weights, for keys and values."


@dataclass(slots=True)
class OwnWeights:
    """Loaders of weights, and what answers for which model."""

    choice: SourceChoice
    max_running: int
    cache_bytes: int = 0
    "For each of the bases that are loaded; set before the first one is."

    placements: dict[str, Placement] = field(default_factory=dict)
    loaders: dict[str, Loader] = field(default_factory=dict)
    _shared: dict[str, dict[str, Path]] = field(default_factory=dict)
    "Adapters by name, of bases that several models share, by the base's digest."

    def start(self, offers: Sequence[Offer]) -> None:
        """Place the models that were named: those over one base share it, others are whole."""
        counted = Counter(offer.source.base.digest for offer in offers if _may_share(offer.source))
        self._shared = {digest: {} for digest, count in counted.items() if count > 1}
        for offer in offers:
            self.place(offer)

    def place(self, offer: Offer) -> Loader:
        """Place one more model; the loader of its weights, which may answer for others too."""
        name, source = offer.engine_name, offer.source
        adapters = self._shared.get(source.base.digest) if _may_share(source) else None
        weights = name
        if adapters is not None:
            weights = f"base-{source.base.digest[:12]}"
            adapters.update(zip([name], source.adapters, strict=False))
        self.placements[name] = Placement(weights, name if adapters is not None and source.adapters else None)
        if weights not in self.loaders:
            self.loaders[weights] = self._loader(weights, source, adapters)
        return self.loaders[weights]

    def context(self, source: ModelSource) -> int:
        """Tokens that a prompt and its answer may have together: the model's own, or what the cache holds.

        Raises:
            DoesNotFit: the cache holds not even one block.
        """
        own = source.base.args.max_seq_len
        return min(own, self._blocks(source) * BLOCK) if _has_blocks(source) else own

    def _loader(self, weights: str, source: ModelSource, adapters: dict[str, Path] | None) -> Loader:
        kind = {"device": self.choice.device, "dtype": self.choice.dtype}
        nbytes = weight_bytes(source, **kind)
        if not _has_blocks(source):
            return Loader(nbytes, partial(self._load_single, weights, source))
        return Loader(nbytes, partial(self._load, weights, source, adapters))

    def _load(self, weights: str, source: ModelSource, adapters: dict[str, Path] | None) -> BatchEngine:
        began, blocks = time.monotonic(), self._blocks(source)
        runner = load_runner(
            source, blocks, device=self.choice.device, dtype=self.choice.dtype, adapters=adapters
        )
        console.note(
            f"loaded {weights} in {time.monotonic() - began:.1f} s; its cache holds {blocks * BLOCK} tokens "
            f"in {runner.nbytes / (1 << 20):.0f} MiB; products by {runner.multiplier}"
        )
        return BatchEngine(runner, max_running=self.max_running)

    def _load_single(self, weights: str, source: ModelSource) -> SingleEngine:
        began = time.monotonic()
        engine = SingleEngine(load_weights(source, device=self.choice.device, dtype=self.choice.dtype))
        console.note(
            f"loaded {weights} in {time.monotonic() - began:.1f} s; transformers computes it, one answer at "
            f"a time and each from its beginning, which is the slower way; faster: {source.line_for_vllm()}"
        )
        return engine

    def _blocks(self, source: ModelSource) -> int:
        """As many as the budget holds, and no more than all running sequences could fill."""
        each = cache_block_bytes(source, device=self.choice.device, dtype=self.choice.dtype)
        if each > self.cache_bytes:
            raise DoesNotFit(
                f"a cache of {self.cache_bytes} bytes holds no block of {source.name}, which takes {each}; "
                "free memory; node0 serve also takes a larger --cache-gib"
            )
        most = self.max_running * blocks_for(source.base.args.max_seq_len)
        return min(most, self.cache_bytes // each)


def default_cache_bytes(sizes: Iterable[int], device: str, bases: int) -> int:
    """Half of what is free beside weights of these bytes, divided among as many bases as may be loaded."""
    largest = sorted(sizes, reverse=True)[:bases]
    free = free_bytes(pick_device(device)) - sum(largest)
    return max(0, int(free * CACHE_SHARE / bases))


def _may_share(source: ModelSource) -> bool:
    """Several adapters that are added up are inside weights of their own, and so is one on another base."""
    return len(source.adapters) <= 1 and _has_blocks(source)


def _has_blocks(source: ModelSource) -> bool:
    """Whether our own blocks compute it, whose keys and values lie in blocks that sequences share."""
    return isinstance(source.base, BaseModelDir)
