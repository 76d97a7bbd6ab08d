# SPDX-License-Identifier: Apache-2.0
"""Attention of several sequences at once by compiled code; `BatchAttention` stands in where it cannot be.

It reads keys and values where they lie, and nothing is filled up.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from node0.models.block_cache import BLOCK
from node0.models.llama.arguments import LlamaArguments
from node0.models.llama.batch_attention import Segment, slots_of
from node0.models.llama.rope import head_dim

if TYPE_CHECKING:
    from node0.models.compiled.cached_attention import Attention, Tasks

_QUERIES = 128
"Of a task at most: several threads share a long prompt."

_ALONE = 1 << 10
"Pairs of queries and keys up to which one thread is faster than waking others."


def tasks_of(segments: Sequence[Segment]) -> "Tasks":
    """How the new tokens of one step see what came before them; used by all layers."""
    from node0.models.compiled.cached_attention import Tasks  # llvmlite comes with the extra `serve`

    tasks, table, first, pairs = list[list[int]](), list[int](), 0, 0
    for segment in segments:
        end = segment.start + segment.count
        for at in range(0, segment.count, _QUERIES):
            queries = min(_QUERIES, segment.count - at)
            tasks.append([first + at, queries, segment.start + at, len(table)])
        first, pairs = first + segment.count, pairs + segment.count * end
        table += segment.blocks[: -(-end // BLOCK)]
    return Tasks(
        tasks=torch.tensor(tasks, dtype=torch.int64),
        table=torch.tensor(table, dtype=torch.int64),
        slots=torch.tensor([slot for each in segments for slot in slots_of(each)], dtype=torch.int64),
        threads=1 if pairs <= _ALONE else torch.get_num_threads(),
    )


def compiled_attention(args: LlamaArguments, device: str) -> "Attention | None":
    """Attention that is compiled for this processor; None where `packed_layers.compiled_product` is."""
    if device != "cpu":
        return None
    try:
        from node0.models.compiled.attention_rows import Heads  # llvmlite comes with the extra `serve`
        from node0.models.compiled.cached_attention import attention_here  # as above
    except (ImportError, OSError):
        return None
    kv_heads = args.n_kv_heads or args.n_heads
    return attention_here(Heads(kv_heads, args.n_heads // kv_heads, head_dim(args), args.sliding_window))
