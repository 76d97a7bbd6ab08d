# SPDX-License-Identifier: Apache-2.0
"""A tracker on a thread of its own: however slow or broken it is, no step waits for it and none fails."""

import contextlib
import logging
import re
import time
from collections.abc import Callable, Mapping
from queue import Full, Queue
from threading import Thread

from node0.finetune.training.trackers.tracker import End, Tracker
from node0.visible import visible

WAITING = 10_000
"Steps that wait for a slow tracker; beyond it a step is left out."

GRACE = 20.0
"Seconds that the end of a run waits for a tracker to take what is left."

Figures = tuple[int, dict[str, float]]

logger = logging.getLogger(__name__)


class BackgroundTracker:
    """Hands figures to the tracker that `open_tracker` gives. Its first error is a warning, and its end."""

    def __init__(self, name: str, open_tracker: Callable[[], Tracker], *, grace: float = GRACE) -> None:
        self._name, self._grace = name, grace
        self._queue: Queue[Figures | End] = Queue(WAITING)
        self._is_over, self._left_out = False, 0
        self._thread = Thread(target=self._work, args=(open_tracker,), name=f"{name} tracker", daemon=True)
        self._thread.start()

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Take the figures of one step, and return at once."""
        if self._is_over:
            return
        try:
            self._queue.put_nowait((step, dict(values)))
        except Full:
            self._left_out += 1

    def close(self, end: End) -> None:
        """Wait for what is left, at most `grace` seconds."""
        deadline = time.monotonic() + self._grace
        with contextlib.suppress(Full):
            self._queue.put(end, timeout=0 if self._is_over else self._grace)
        self._thread.join(max(0.0, deadline - time.monotonic()))
        if self._thread.is_alive():
            self._is_over = True
            logger.warning(
                "%s has not taken all figures %g s after the end; they are in metrics.jsonl",
                self._name,
                self._grace,
            )
        elif self._left_out:
            logger.warning("%s was too slow for %d steps, which it lacks", self._name, self._left_out)

    def _work(self, open_tracker: Callable[[], Tracker]) -> None:
        try:
            tracker = open_tracker()
            logger.info("%s: %s", self._name, _without_password(tracker.place))
            while not isinstance(item := self._queue.get(), str):
                tracker.log(*item)
            tracker.close(item)
        except Exception as error:  # noqa: BLE001  # a library's, over a network: none is worth a run
            if not self._is_over:
                logger.warning("%s takes no more figures: %s; training goes on", self._name, _told(error))
            self._is_over = True


def _told(error: Exception) -> str:
    """The kind of the error and its first line."""
    first, *_ = str(error).splitlines() or [""]
    return visible(f"{type(error).__name__}: {_without_password(first)[:200]}")


def _without_password(text: str) -> str:
    """The text with addresses that name no user."""
    return re.sub(r"//[^/@\s]*@", "//", text)
