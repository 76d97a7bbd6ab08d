# SPDX-License-Identifier: Apache-2.0
"""Throttle log lines to one a minute for each peer."""

import time
from collections import OrderedDict
from collections.abc import Callable

EVERY = 60.0
"Seconds between two lines about one."

MOST = 1000
"How many are remembered; strangers can be invented without end."


class LogThrottle:
    """Remembers about whom something was said, and when."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._said: OrderedDict[str, float] = OrderedDict()

    def is_due(self, whom: str) -> bool:
        """Whether something may be said of them now; it counts as said."""
        time_now = self._clock()
        if time_now - self._said.get(whom, -EVERY - time_now) < EVERY:
            return False
        self._said[whom] = time_now
        self._said.move_to_end(whom)
        if len(self._said) > MOST:
            self._said.popitem(last=False)
        return True
