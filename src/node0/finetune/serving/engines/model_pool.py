# SPDX-License-Identifier: Apache-2.0
"""Loaded models, kept under a budget: whichever was idle the longest makes room."""

import logging
import threading
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from node0.errors import DoesNotFit
from node0.finetune.serving.engines.batching.batch_worker import SteppedBatch
from node0.finetune.serving.engines.token_engine import EngineFigures

logger = logging.getLogger(__name__)


class PooledEngine(SteppedBatch, Protocol):
    """What a pool holds: weights, and what computes sequences over them."""

    def figures(self) -> EngineFigures:
        """What it holds and did."""
        ...

    def close(self) -> None:
        """Free weights and caches, once nobody else holds them."""
        ...


@dataclass(frozen=True, slots=True)
class Loader:
    """How to load a model's weights, and the bytes that they will take."""

    nbytes: int
    load: Callable[[], PooledEngine]


@dataclass(slots=True)
class _Held:
    nbytes: int
    engine: PooledEngine | None = None
    users: int = 0


class ModelPool:
    """Gives engines to threads; loads them when asked for, and unloads idle ones beyond the budget."""

    def __init__(
        self, loaders: Mapping[str, Loader], *, max_loaded: int | None = None, max_bytes: int | None = None
    ) -> None:
        """Keep at most `max_loaded` models of `max_bytes` in all; None sets no bound.

        Raises:
            DoesNotFit: one model alone is over the budget.
        """
        self._loaders: dict[str, Loader] = {}
        self._max_loaded = max_loaded
        self._max_bytes = max_bytes
        for name, loader in loaders.items():
            self.offer(name, loader)
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self._one_at_a_time: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._changed = threading.Condition()
        self._waiting: list[str] = []

    def offer(self, name: str, loader: Loader) -> None:
        """Give this model too, when it is asked for.

        Raises:
            DoesNotFit: it alone is over the budget.
        """
        if self._max_bytes is not None and loader.nbytes > self._max_bytes:
            raise DoesNotFit(
                f"model {name} takes {loader.nbytes} bytes, the budget is {self._max_bytes}; raise the budget"
            )
        self._loaders[name] = loader

    @property
    def loaded(self) -> list[str]:
        """Models in memory, the longest unused first."""
        with self._changed:
            return [name for name, held in self._held.items() if held.engine is not None]

    @property
    def wanted(self) -> bool:
        """Whether a model waits until another one makes room."""
        with self._changed:
            return any(name not in self._held for name in self._waiting)

    def in_memory(self) -> dict[str, PooledEngine]:
        """Engines of the models in memory."""
        with self._changed:
            return {name: held.engine for name, held in self._held.items() if held.engine is not None}

    @property
    def fits_all(self) -> bool:
        """Whether all models may be in memory at once."""
        total = sum(loader.nbytes for loader in self._loaders.values())
        return (self._max_loaded is None or len(self._loaders) <= self._max_loaded) and (
            self._max_bytes is None or total <= self._max_bytes
        )

    @contextmanager
    def using(self, name: str) -> Iterator[PooledEngine]:
        """The model's engine, loaded now if need be; it stays until the block ends.

        Waits while every model that could make room is in use.
        """
        with self._changed:
            lock = self._one_at_a_time[name]
        with lock:
            held, engine = self._take(name)
        try:
            yield engine
        finally:
            with self._changed:
                held.users -= 1
                self._changed.notify_all()

    def close(self) -> None:
        """Unload everything."""
        with self._changed:
            for name in list(self._held):
                self._unload(name)

    def _take(self, name: str) -> tuple[_Held, PooledEngine]:
        with self._changed:
            self._waiting.append(name)
            try:
                self._changed.wait_for(lambda: self._may_take(name))
            finally:
                self._waiting.remove(name)
            held = self._held.setdefault(name, _Held(self._loaders[name].nbytes))
            self._held.move_to_end(name)
            held.users += 1
        if held.engine is None:
            held.engine = self._load(name)
        return held, held.engine

    def _may_take(self, name: str) -> bool:
        """Whoever waits for room comes before whoever would take an idle model again."""
        if name not in self._held:
            return self._make_room(name)
        return self._held[name].users > 0 or all(other in self._held for other in self._waiting)

    def _load(self, name: str) -> PooledEngine:
        try:
            return self._loaders[name].load()
        except BaseException:
            with self._changed:
                del self._held[name]
                self._changed.notify_all()
            raise

    def _make_room(self, name: str) -> bool:
        """Unload idle models until this one fits; whether it does."""
        while not self._fits(self._loaders[name].nbytes):
            idle = next((other for other, held in self._held.items() if held.users == 0), None)
            if idle is None:
                return False
            self._unload(idle)
            logger.info("unloaded %s", idle)
        return True

    def _fits(self, nbytes: int) -> bool:
        total = sum(held.nbytes for held in self._held.values()) + nbytes
        return (self._max_loaded is None or len(self._held) < self._max_loaded) and (
            self._max_bytes is None or total <= self._max_bytes
        )

    def _unload(self, name: str) -> None:
        held = self._held.pop(name)
        if held.engine is not None:
            held.engine.close()
