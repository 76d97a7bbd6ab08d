# SPDX-License-Identifier: Apache-2.0
"""How long this thread computes on something, whatever else the machine and the process do."""

import time
from collections.abc import Callable


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
