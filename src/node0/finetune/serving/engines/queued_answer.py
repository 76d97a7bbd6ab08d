# SPDX-License-Identifier: Apache-2.0
"""A request's place at an engine of this process: it waits, is computed, and hands over ids."""

import asyncio
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress

from node0.finetune.serving.engines.token_engine import GeneratedToken, GenerationRequest

Items = tuple[GeneratedToken | Exception | None, ...]
"Ids, then perhaps an error, or None for the end."


class QueuedAnswer:
    """One request's place; ids pass from the thread that computes to the event loop that asked."""

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

    def hand_over(self, *items: GeneratedToken | Exception | None) -> None:
        """Pass on ids, an error, or None for the end; from any thread."""
        hand_over_together([(self, items)])

    def _put(self, items: Items) -> None:
        for item in items:
            self._ids.put_nowait(item)


def hand_over_together(brought: Iterable[tuple[QueuedAnswer, Items]]) -> None:
    """What a step brought to several requests, each event loop woken once; from any thread."""
    loops: dict[asyncio.AbstractEventLoop, list[tuple[QueuedAnswer, Items]]] = {}
    for place, items in brought:
        loops.setdefault(place._loop, []).append((place, items))
    for loop, pairs in loops.items():
        with suppress(RuntimeError):  # the loop that asked is gone
            loop.call_soon_threadsafe(_put_all, pairs)


def _put_all(pairs: Iterable[tuple[QueuedAnswer, Items]]) -> None:
    for place, items in pairs:
        place._put(items)
