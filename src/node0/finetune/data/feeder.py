# SPDX-License-Identifier: Apache-2.0
"""Batches made ahead on a thread, under the name that the plan gives it. The trainer feeds itself."""

from collections import deque
from collections.abc import Iterable, Mapping
from threading import Condition, Thread
from typing import Any

Batch = Mapping[str, Any]


class DataFeeder(Thread):
    """Goes once through a loader, at most `ahead` batches before they are asked for.

    The loader is read on this thread, from `start` to `stop` or to its end.
    """

    def __init__(self, loader: Iterable[Batch], *, ahead: int = 2) -> None:
        super().__init__(name="data-feeder", daemon=True)
        self._loader = loader
        self._ahead = ahead
        self._changed = Condition()
        self._ready: deque[Batch] = deque()
        self._over = False
        "Nothing will be added to `_ready` any more."

        self._failure: BaseException | None = None

    def get_batch(self) -> Batch | None:
        """The next batch, as soon as there is one; None after the last, and when stopped.

        Raises what the loader raised, behind the batches before it.
        """
        if self.ident is None and not self._over:
            raise RuntimeError("the feeder was not started; call start() first")
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._over)
            if self._ready:
                self._changed.notify_all()
                return self._ready.popleft()
            if self._failure is not None:
                raise self._failure
            return None

    def stop(self) -> None:
        """End the thread and drop what was not asked for; waits for the batch that is being made."""
        with self._changed:
            self._over = True
            self._ready.clear()
            self._changed.notify_all()
        if self.is_alive():
            self.join()

    def run(self) -> None:
        """Fill; called by `start`."""
        try:
            for batch in self._loader:
                if not self._offer(batch):
                    return
        except BaseException as error:  # noqa: BLE001  # raised again where the batch is asked for
            self._failure = error
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def _offer(self, batch: Batch) -> bool:
        """Wait for room; whether the batch was taken."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._ready) < self._ahead or self._over)
            if not self._over:
                self._ready.append(batch)
                self._changed.notify_all()
            return not self._over
