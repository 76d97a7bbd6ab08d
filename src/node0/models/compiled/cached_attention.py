# SPDX-License-Identifier: Apache-2.0
"""Attention compiled for this processor, on torch's tensors and in torch's own threads."""

from dataclasses import dataclass
from functools import cache

from torch import Tensor

from node0.models.compiled.attention_code import ENTRY, attention_code
from node0.models.compiled.attention_rows import Heads, notes_of
from node0.models.compiled.call_list import Call
from node0.models.compiled.machine_code import machine_code, torch_threads
from node0.models.compiled.processor import Processor, this_processor


@dataclass(frozen=True, slots=True)
class Tasks:
    """Which new tokens see which blocks, in one step."""

    tasks: Tensor
    "int64 (tasks, 4): first new token, how many, keys before them, place in the table."

    table: Tensor
    "int64: blocks of all sequences, one behind the other."

    slots: Tensor
    "int64 (tokens,): where each new token lies, block * BLOCK + place."

    threads: int

    @property
    def n_rows(self) -> int:
        """New tokens."""
        return len(self.slots)

    @property
    def arguments(self) -> tuple[int, ...]:
        """What a step fills into the calls of attention."""
        return (len(self.tasks), self.tasks.data_ptr(), self.table.data_ptr(), self.slots.data_ptr())


class Attention:
    """Causal attention of one shape of heads over blocks of a cache.

    A row's result depends on its own sequence alone: see `attention_code`.
    """

    def __init__(self, processor: Processor, heads: Heads) -> None:
        self.heads, self.notes = heads, notes_of(processor.lanes, heads)
        (self.function,) = machine_code(processor, attention_code(processor, heads), ENTRY)

    def call(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        cache: tuple[Tensor, Tensor],
        *,
        out: Tensor,
        notes: Tensor,
    ) -> Call:
        """Append keys and values to a layer of a `PanelCache`, and attend; float32 all.

        query and out (tokens, heads, dim), key and value (tokens, kv heads, dim), the heads of a token side
        by side; notes (tokens, heads, `notes`). The step's `Tasks.arguments` are filled in.
        """
        addresses = (each.data_ptr() for each in (query, key, value, *cache, out, notes))
        steps = (each.stride(0) for each in (query, key, value))
        return Call(self.function, (0, 0, 0, 0, *addresses, *steps), work=0)


@cache
def attention_here(heads: Heads) -> Attention | None:
    """Attention on this processor; None where none can be compiled for it."""
    found = this_processor()
    if found is None or torch_threads() is None:
        return None
    return Attention(found, heads)
