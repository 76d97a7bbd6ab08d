# SPDX-License-Identifier: Apache-2.0
"""A limit to how often one process is started again."""

import time
from collections import deque
from collections.abc import Callable

MOST_STARTS = 5
"A process that is started so often within `WINDOW` seconds is not started again."

WINDOW = 3600.0


class RestartLimit:
    """How often one process may be started."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` tells seconds."""
        self._clock = clock
        self._times: deque[float] = deque(maxlen=MOST_STARTS)

    def allows(self) -> bool:
        """Whether it may be started now; it counts as started."""
        now = self._clock()
        if len(self._times) == MOST_STARTS and now - self._times[0] < WINDOW:
            return False
        self._times.append(now)
        return True
