# SPDX-License-Identifier: Apache-2.0
"""Retry calls that raise `RetriableError`, with growing waits."""

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from node0.errors import RetriableError

logger = logging.getLogger(__name__)

T = TypeVar("T")


def call_with_retries(
    call: Callable[[], T],
    *,
    attempts: int = 5,
    first_delay: float = 0.5,
    max_delay: float = 30.0,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Call until it returns or `attempts` calls have raised `RetriableError`.

    Waits `first_delay` seconds, doubled each time up to `max_delay`, with up to 25% jitter.
    Any other error passes through at once.
    """
    for attempt in range(1, attempts):
        try:
            return call()
        except RetriableError as error:
            delay = min(max_delay, first_delay * 2 ** (attempt - 1))
            logger.warning("attempt %d of %d failed: %s", attempt, attempts, error)
            sleep(delay * (1 + random.random() / 4))
    return call()
