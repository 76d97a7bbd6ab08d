# SPDX-License-Identifier: Apache-2.0
"""Compiled attention, called as a layer calls it."""

from collections.abc import Sequence

import torch
from torch import Tensor

from node0.models.block_cache import PanelCache
from node0.models.compiled.cached_attention import Attention
from node0.models.compiled.call_list import CallList
from node0.models.llama.batch_attention import Segment
from node0.models.llama.compiled_attention import tasks_of


def attended(attention: Attention, segments: Sequence[Segment], cache: PanelCache, *new: Tensor) -> Tensor:
    """What new queries make of new keys and values, and of those in a cache's first layer."""
    tasks = tasks_of(segments)
    out, notes = torch.empty_like(new[0]), torch.empty(*new[0].shape[:2], attention.notes)
    calls = CallList([attention.call(*new, cache.layer(0), out=out, notes=notes)])
    calls.prepare(tasks.n_rows)
    calls.fill(attention.function, tasks.arguments, threads=tasks.threads)
    calls.run()
    return out
