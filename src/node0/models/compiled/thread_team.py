# SPDX-License-Identifier: Apache-2.0
"""The threads that compiled code shares its work among: torch's own, for one call or for a list of calls."""

import ctypes
from functools import cache

import numpy as np

from node0.models.compiled.machine_code import Function, machine_code, torch_threads
from node0.models.compiled.processor import this_processor
from node0.models.compiled.team_code import (
    ALONE,
    CALLS,
    ENTRIES,
    FORKING,
    LED,
    NUMBER,
    PARALLEL,
    RUN,
    WORDS,
    YIELD,
    team_code,
)

_LINE = 64
"Bytes of a cache line."


class Team:
    """What blocks of calls begin with the address of. It must live as long as they; one thread runs it."""

    def __init__(self, fork: str = LED) -> None:
        """`fork`: LED for the calls that `run` makes, ALONE for any others."""
        functions = _functions()
        taken = np.zeros(WORDS * 8 + _LINE, dtype=np.uint8)
        first = -taken.ctypes.data % _LINE
        self._words = taken[first : first + WORDS * 8].view(np.int64)
        self.address: int = self._words.ctypes.data
        self._words[FORKING] = functions[ENTRIES.index(fork)].address
        self._words[PARALLEL] = torch_threads() or 0
        self._words[YIELD] = ctypes.cast(ctypes.CDLL(None).sched_yield, ctypes.c_void_p).value or 0
        self._run = functions[ENTRIES.index(RUN)]

    def run(self, pairs: int, number: int, *, threads: int) -> None:
        """Make at least one call: `number` pairs of a function and its block lie at an address."""
        self._words[CALLS], self._words[NUMBER] = pairs, number
        self._run(self.address, threads)


@cache
def single_calls() -> Team:
    """The team of calls that are made one at a time, by any thread."""
    return Team(ALONE)


@cache
def _functions() -> list[Function]:
    found = this_processor()
    assert found is not None  # nothing was compiled without one
    return machine_code(found, team_code(), *ENTRIES)
