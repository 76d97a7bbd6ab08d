# SPDX-License-Identifier: Apache-2.0
"""Attention compiled for this processor, on torch's tensors and in torch's own threads."""

import ctypes
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from node0.models.compiled.attention_code import ENTRY, attention_code
from node0.models.compiled.attention_rows import Heads, notes_of
from node0.models.compiled.machine_code import MachineCode, torch_threads
from node0.models.compiled.processor import Processor, this_processor


@dataclass(frozen=True, slots=True)
class Tasks:
    """Which new tokens see which blocks."""

    tasks: Tensor
    "int64 (tasks, 4): first new token, how many, keys before them, place in the table."

    table: Tensor
    "int64: blocks of all sequences, one behind the other."

    slots: Tensor
    "int64 (tokens,): where each new token lies, block * BLOCK + place."

    threads: int


class Attention:
    """Causal attention of one shape of heads over blocks of a cache.

    A row's result depends on its own sequence alone: see `attention_code`.
    """

    def __init__(self, processor: Processor, heads: Heads) -> None:
        kinds = [*[ctypes.c_void_p] * 11, *[ctypes.c_int64] * 5, ctypes.c_int32]
        self._code = MachineCode(processor, attention_code(processor, heads), entry=ENTRY, arguments=kinds)
        self._threads, self._notes = torch_threads(), notes_of(processor.lanes, heads)

    def __call__(
        self, query: Tensor, key: Tensor, value: Tensor, *, cache: tuple[Tensor, Tensor], tasks: Tasks
    ) -> Tensor:
        """Append keys and values to a layer of a `PanelCache`, and attend.

        query (tokens, heads, dim), key and value (tokens, kv heads, dim), the heads of a token side by side;
        returns query's shape in float32.
        """
        query, key, value = query.float(), key.float(), value.float()
        out, notes = torch.empty(query.shape), torch.empty((*query.shape[:2], self._notes))
        tensors = (query, key, value, *cache, out, notes, tasks.tasks, tasks.table, tasks.slots)
        steps = (tensor.stride(0) for tensor in (query, key, value))
        addresses = (tensor.data_ptr() for tensor in tensors)
        counts = (query.shape[0], len(tasks.tasks), tasks.threads)
        self._code(self._threads, *addresses, *steps, *counts)
        return out


@cache
def attention_here(heads: Heads) -> Attention | None:
    """Attention on this processor; None where none can be compiled for it."""
    found = this_processor()
    if found is None or torch_threads() is None:
        return None
    return Attention(found, heads)
