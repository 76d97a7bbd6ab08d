# SPDX-License-Identifier: Apache-2.0
"""A retry budget: how long something over the swarm is tried again."""

import time

from node0.errors import RetriableError, SwarmTimeout

FEWEST_TRIES = 3
"Nothing is given up before, however long recovery took."


class RetryBudget:
    """One thing that is tried again after each recovery, until it has failed for too long."""

    def __init__(self, patience: float) -> None:
        """`patience` in seconds."""
        self._patience, self._started, self._failures = patience, time.monotonic(), 0

    def spend(self, fault: RetriableError) -> None:
        """Count a failure; raise `SwarmTimeout` where another try would be one too many."""
        self._failures += 1
        waited = time.monotonic() - self._started
        if self._failures >= FEWEST_TRIES and waited > self._patience:
            raise SwarmTimeout(f"given up after {self._failures} tries in {waited:.0f} s: {fault}") from fault
