# SPDX-License-Identifier: Apache-2.0
"""The compute thread of a stage, and the priorities of its work.

Backward passes come before forward passes: with a bounded number of microbatches in flight that is the
1F1B order, without a common clock (Narayanan et al. 2021, arXiv:2104.04473).
"""

import itertools
import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from enum import IntEnum
from typing import Any, TypeVar

from node0.errors import RetriableError

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Priority(IntEnum):
    """What goes first. Work of one kind is done in the order of its microbatches."""

    CONTROL = 0
    BACKWARD = 1
    DECODE = 2
    FORWARD = 3
    CLOSE = 4


class ComputeThread:
    """Runs what is submitted, most urgent first."""

    def __init__(self) -> None:
        self._queue: queue.PriorityQueue[tuple[int, int, int, Callable[[], None] | None]] = (
            queue.PriorityQueue()
        )
        self._arrivals = itertools.count()
        self._thread = threading.Thread(target=self._work, name="node0-compute", daemon=True)
        self.busy_seconds = 0.0
        self._is_open = True
        self._thread.start()

    def submit(self, priority: Priority, work: Callable[[], T], *, order: int = 0) -> "Future[T]":
        """Queue some work; its result or error is in the future. Lower `order` goes first."""
        future: Future[T] = Future()
        if not self._is_open:
            future.set_exception(RetriableError("the stage is stopping; wait for it or its replacement"))
            return future

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001  # it is raised where the future is read
                future.set_exception(error)

        self._queue.put((priority, order, next(self._arrivals), run))
        return future

    @property
    def waiting(self) -> int:
        """How much is queued."""
        return self._queue.qsize()

    def close(self) -> None:
        """Finish what is queued and end the thread."""
        self._is_open = False
        self._queue.put((Priority.CLOSE, 0, next(self._arrivals), None))
        self._thread.join(10.0)

    def _work(self) -> None:
        while True:
            *_, run = self._queue.get()
            if run is None:
                return
            started = time.perf_counter()
            run()
            self.busy_seconds += time.perf_counter() - started


def failure(future: "Future[Any]") -> BaseException | None:
    """The error of finished work; None where it was cancelled or went well."""
    return None if future.cancelled() else future.exception()
