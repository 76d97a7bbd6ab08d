# SPDX-License-Identifier: Apache-2.0
"""How long this thread computes on something, whatever else the machine and the process do."""

import time
from collections.abc import Callable
from pathlib import Path


def least_seconds(work: Callable[[], object], *, below: float, tries: int = 3) -> float:
    """The least CPU seconds of this thread for `work` in `tries` runs; a run below `below` is the last.

    For bounds that a wrong order of growth misses by far: it is slow in each run, a busy machine in some.
    """
    least = float("inf")
    for _ in range(tries):
        began = time.thread_time()
        work()
        least = min(least, time.thread_time() - began)
        if least < below:
            break
    return least


def waited_for_a_core(pid: int) -> float:
    """Seconds in which a process's main thread could have run and others had the cores; 0 where none tells.

    Of a duration by the clock it leaves what the process computed, and what it slept.
    """
    file = Path(f"/proc/{pid}/schedstat")  # ns on a core, ns that it waited for one, turns
    return int(file.read_text().split()[1]) / 1e9 if file.exists() else 0.0
