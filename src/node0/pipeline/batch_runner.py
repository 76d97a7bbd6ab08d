# SPDX-License-Identifier: Apache-2.0
"""The batch runner: new tokens of several sequences through all stages of this process in one pass."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from node0.errors import ConfigError
from node0.models.block_cache import BLOCK, BlockCache, PanelCache
from node0.models.llama.adapter_rows import AdapterRows, Products, adapter_rows
from node0.models.llama.batch_attention import BatchAttention, Segment, positions_of
from node0.models.llama.compiled_attention import compiled_attention, tasks_of
from node0.models.llama.layers import BatchLayers, LlamaStage, TailExpert
from node0.models.llama.packed_layers import multiplier, row_multiple

if TYPE_CHECKING:
    from node0.models.compiled.cached_attention import Attention, Tasks
    from node0.models.llama.compiled_layers import CompiledLayers

Head = Callable[[Tensor], Tensor]
"Logits, float32 (rows, vocab), of rows of the residual stream."

Attend = Callable[[int, Tensor, Tensor, Tensor], Tensor]
"With a layer's number, queries, new keys and new values."


class BatchRunner:
    """Stages, and the blocks of keys and values that all sequences share."""

    def __init__(
        self,
        stages: Sequence[LlamaStage],
        n_blocks: int,
        *,
        load_adapter: Callable[[str], Sequence[Products]] | None = None,
    ) -> None:
        """Run stages with joined projections; their matrices are packed and belong to the runner.

        `load_adapter` gives an adapter's products on each stage, when its first token comes.
        """
        self._stages = list(stages)
        for stage in stages:
            stage.pack_matrices()
        self._multiple = max(map(row_multiple, stages))
        self.multiplier = multiplier(stages[0])
        "What multiplies by the matrices, for people."

        first = stages[0]
        attention = compiled_attention(first.args, first.device.type) if self._multiple == 1 else None
        self._compiled: list[CompiledLayers] = []
        self._caches = [self._new_cache(stage, n_blocks, attention) for stage in stages]
        self._head = self._new_head(attention)
        self._load_adapter = load_adapter
        self._banks: list[dict[str, Products]] = [{} for _ in stages]
        self.n_blocks = n_blocks

    def prepare(self, adapter: str | None) -> None:
        """Have an adapter at hand.

        Raises:
            ConfigError: there are no adapters here.
            BadCheckpoint: its files are not whole, or of another base.
        """
        if adapter is None or adapter in self._banks[0]:
            return
        if self._load_adapter is None:
            raise ConfigError(f"adapter {adapter!r} is not here; load its base without one inside")
        for bank, products in zip(self._banks, self._load_adapter(adapter), strict=True):
            bank[adapter] = products

    @property
    def nbytes(self) -> int:
        """Bytes that the caches may hold."""
        return sum(cache.nbytes for cache in self._caches)

    @torch.inference_mode()
    def run(self, segments: Sequence[Segment], ids: Sequence[int], wanted: Sequence[int]) -> Tensor:
        """Compute new tokens and append them to their blocks.

        Args:
            segments: sequences and their blocks, each at most once.
            ids: of the new tokens, segment behind segment.
            wanted: which of them are followed by an id that is wanted.

        Returns the logits behind each of `wanted`: float32 (wanted, vocab).
        """
        device, attention = self._stages[0].device, self._attention(segments)
        rows = attention.n_rows
        x = torch.tensor([[*ids, *[0] * (rows - len(ids))]], dtype=torch.int64, device=device)
        positions = torch.tensor([positions_of(segments, rows)], dtype=torch.int64, device=device)
        names = [segment.adapter for segment in segments for _ in range(segment.count)]
        for index, stage in enumerate(self._stages):
            adapters = adapter_rows(self._banks[index], names, device)
            x = stage.forward_batch(x, positions, self._layers(index, attention, adapters))
        return self._logits(x[0], wanted)

    def copy_block(self, source: int, target: int) -> None:
        """Make one block what another is, on every stage."""
        for cache in self._caches:
            cache.copy(source, target)

    def close(self) -> None:
        """Free weights and caches."""
        self._stages, self._caches, self._banks, self._compiled = [], [], [], []
        self._head = _no_head
        self._load_adapter = None

    def _new_cache(
        self, stage: LlamaStage, n_blocks: int, attention: "Attention | None"
    ) -> BlockCache | PanelCache:
        """A stage's cache, and what runs its layers over it where all is compiled."""
        if attention is None:
            return stage.new_block_cache(n_blocks)
        from node0.models.llama.compiled_layers import CompiledLayers  # llvmlite comes with the extra `serve`

        cache = stage.new_panel_cache(n_blocks)
        self._compiled.append(CompiledLayers(stage.blocks(), cache, attention))
        return cache

    def _new_head(self, attention: "Attention | None") -> Head:
        """What gives logits of rows of the residual stream."""
        tail = cast(TailExpert, self._stages[-1])
        if attention is None:
            return lambda rows: tail.logits(rows.to(tail.dtype))
        from node0.models.llama.compiled_head import CompiledHead  # llvmlite comes with the extra `serve`

        return CompiledHead(tail, attention.heads)

    def _layers(
        self, index: int, attention: "BatchAttention | Tasks", adapters: AdapterRows | None
    ) -> BatchLayers:
        """What a stage's layers do in one step."""
        if self._compiled:
            return partial(self._compiled[index], tasks=cast("Tasks", attention), adapters=adapters)
        step = _Step(cast(BatchAttention, attention), cast(BlockCache, self._caches[index]), adapters)
        return partial(self._stages[index].run_layers, batch=step)

    def _attention(self, segments: Sequence[Segment]) -> "BatchAttention | Tasks":
        """How new tokens see what came before, in one step."""
        if self._compiled:
            return tasks_of(segments)
        args = self._stages[0].args
        return BatchAttention(
            segments,
            n_blocks=self.n_blocks,
            per_key=args.n_heads // (args.n_kv_heads or args.n_heads),
            window=args.sliding_window,
            cache=cast(BlockCache, self._caches[0]),
            multiple=self._multiple,
        )

    def _logits(self, hidden: Tensor, wanted: Sequence[int]) -> Tensor:
        if not wanted:  # all are of prompts that go on
            return torch.empty(0, self._stages[-1].args.vocab_size, device=hidden.device)
        if len(wanted) == len(hidden):  # each row, as it is where all sequences decode
            return self._head(hidden)
        filled = [*wanted, *[0] * (-len(wanted) % self._multiple)]
        rows = hidden.index_select(0, torch.tensor(filled, dtype=torch.int64, device=hidden.device))
        return self._head(rows)[: len(wanted)]


class _Step:
    """One stage's part of a step, as its layers ask for it."""

    def __init__(self, attention: BatchAttention, cache: BlockCache, adapters: AdapterRows | None) -> None:
        self._attend: Attend = partial(attention.attend, cache)
        self._adapters = adapters

    def attend(self, layer_idx: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return self._attend(layer_idx, query, key, value)

    def adapt(self, layer_idx: int, matrix: str, x: Tensor, y: Tensor) -> None:
        if self._adapters is not None:
            self._adapters.add(layer_idx, matrix, x, y)


def _no_head(rows: Tensor) -> Tensor:
    raise RuntimeError("this runner is closed")


def blocks_for(tokens: int) -> int:
    """Blocks that so many tokens take."""
    return -(-tokens // BLOCK)
