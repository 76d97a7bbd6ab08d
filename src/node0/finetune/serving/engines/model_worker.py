# SPDX-License-Identifier: Apache-2.0
"""A model's worker: one thread that answers requests in the order in which they came."""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Generator
from contextlib import closing, suppress

from node0.errors import EngineBusy, EngineUnavailable
from node0.finetune.serving.engines.token_engine import GeneratedToken, GenerationRequest

logger = logging.getLogger(__name__)

JOIN_SECONDS = 30.0
"How long `close` waits for the token that is being computed."


class QueuedAnswer:
    """One request's place: it waits, is computed, and hands ids to the event loop that asked."""

    def __init__(self, request: GenerationRequest, leave: Callable[["QueuedAnswer"], None]) -> None:
        self.request = request
        self.reused = 0
        "Ids of the prompt that were not computed again."
        self.cancelled = threading.Event()
        self._leave = leave
        self._loop = asyncio.get_running_loop()
        self._ids: asyncio.Queue[GeneratedToken | Exception | None] = asyncio.Queue()

    def __aiter__(self) -> "QueuedAnswer":
        return self

    async def __anext__(self) -> GeneratedToken:
        item = await self._ids.get()
        if isinstance(item, GeneratedToken):
            return item
        self._ids.put_nowait(None)  # whoever asks again hears the end again
        if item is None:
            raise StopAsyncIteration
        raise item

    async def aclose(self) -> None:
        """Give the place back: at once while it waits, else after the token that is being computed."""
        self.cancelled.set()
        self._leave(self)
        self.hand_over(None)

    def hand_over(self, item: GeneratedToken | Exception | None) -> None:
        """Pass on an id, an error, or None for the end; from any thread."""
        with suppress(RuntimeError):  # the loop that asked is gone
            self._loop.call_soon_threadsafe(self._ids.put_nowait, item)


Answer = Callable[[QueuedAnswer], Generator[int, None, None]]
"A place to the ids that answer its request, computed by whoever iterates."


class ModelWorker:
    """Answers one request at a time; at most `max_waiting` wait behind it."""

    def __init__(self, name: str, answer: Answer, *, max_waiting: int) -> None:
        self.name = name
        self._answer = answer
        self._max_waiting = max_waiting
        self._queue: deque[QueuedAnswer] = deque()
        self._running: QueuedAnswer | None = None
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=f"node0-serve-{name}", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        with self._changed:
            return len(self._queue) + (self._running is not None)

    def enter(self, request: GenerationRequest) -> QueuedAnswer:
        """Take a place in the queue.

        Raises:
            EngineBusy: all places are taken.
            EngineUnavailable: the worker was closed.
        """
        place = QueuedAnswer(request, self._leave)
        with self._changed:
            if self._closed:
                raise EngineUnavailable(f"model {self.name} is being shut down; ask again later")
            if len(self._queue) + (self._running is not None) > self._max_waiting:
                raise EngineBusy(f"{self._max_waiting} requests wait for model {self.name}; ask again later")
            self._queue.append(place)
            self._changed.notify_all()
        return place

    def close(self) -> None:
        """Cancel everything and end the thread."""
        with self._changed:
            self._closed = True
            given_up = [*self._queue, *([self._running] if self._running else [])]
            self._queue.clear()
            self._changed.notify_all()
        for place in given_up:
            place.cancelled.set()
            place.hand_over(EngineUnavailable("the server is being shut down; ask again later"))
        self._thread.join(JOIN_SECONDS)

    def _leave(self, place: QueuedAnswer) -> None:
        with self._changed, suppress(ValueError):  # it is being computed, or done
            self._queue.remove(place)

    def _run(self) -> None:
        while (place := self._next()) is not None:
            try:
                self._serve(place)
            finally:
                with self._changed:
                    self._running = None

    def _next(self) -> QueuedAnswer | None:
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closed)
            self._running = None if self._closed else self._queue.popleft()
            return self._running

    def _serve(self, place: QueuedAnswer) -> None:
        if place.cancelled.is_set():
            return
        try:
            with closing(self._answer(place)) as ids:
                for token_id in ids:
                    if place.cancelled.is_set():
                        return
                    place.hand_over(GeneratedToken(token_id))
            place.hand_over(None)
        except Exception as error:  # whoever asked hears it, and the next is answered
            logger.debug("model %s failed", self.name, exc_info=True)
            place.hand_over(error)
