# SPDX-License-Identifier: Apache-2.0
"""Calls of compiled code, one behind the other, without the interpreter between them or its lock.

The calls stay as they are but for rows, threads, and what a step fills in.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from node0.models.compiled.machine_code import Function
from node0.models.compiled.thread_team import Team
from node0.models.compiled.vector_code import BY_THREADS

ALONE = 1 << 16
"Multiplications up to which one thread is faster than waking others."

_ROWS, _THREADS = range(1, len(BY_THREADS))


@dataclass(frozen=True, slots=True)
class Call:
    """One call for any number of rows."""

    function: Function
    arguments: tuple[int, ...]
    "Behind a team, rows and threads."

    work: int
    "Multiplications of a row, about."


class CallList:
    """Calls in their order. What their addresses belong to must live as long."""

    def __init__(self, calls: Sequence[Call]) -> None:
        width = len(BY_THREADS) + max(len(call.arguments) for call in calls)
        self._blocks = np.zeros((len(calls), width), dtype=np.int64)
        self._functions = np.array([call.function.address for call in calls])
        self._work = np.array([call.work for call in calls])
        self._team = Team()
        self._blocks[:, 0] = self._team.address
        self._prepared = (0, 0)
        for block, call in zip(self._blocks, calls, strict=True):
            block[len(BY_THREADS) : len(BY_THREADS) + len(call.arguments)] = call.arguments
        places = self._blocks.ctypes.data + np.arange(len(calls)) * self._blocks.strides[0]
        self._pairs = np.stack([self._functions, places], axis=1)

    def prepare(self, rows: int) -> None:
        """For so many rows, by as many threads as torch was told, where that pays."""
        prepared = rows, torch.get_num_threads()
        if prepared != self._prepared:
            self._blocks[:, _ROWS] = rows
            self._blocks[:, _THREADS] = np.where(rows * self._work > ALONE, prepared[1], 1)
            self._prepared = prepared

    def fill(self, function: Function, arguments: Sequence[int], *, threads: int) -> None:
        """Set the first arguments, and the threads, of all calls of a function."""
        own = self._functions == function.address
        self._blocks[own, len(BY_THREADS) : len(BY_THREADS) + len(arguments)] = arguments
        self._blocks[own, _THREADS] = threads

    def run(self, first: int = 0, last: int | None = None) -> None:
        """Make the calls from one to before another."""
        pairs = self._pairs[first:last]
        if len(pairs):
            threads = int(self._blocks[first:last, _THREADS].max())
            self._team.run(pairs.ctypes.data, len(pairs), threads=threads)
