# SPDX-License-Identifier: Apache-2.0
"""Our own engine: bases of this process, each with a thread that computes its requests as one batch."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from node0.errors import NotFound
from node0.finetune.serving.engines.batching.batch_engine import MAX_RUNNING
from node0.finetune.serving.engines.batching.batch_worker import BatchWorker, Lender
from node0.finetune.serving.engines.model_pool import Loader, ModelPool
from node0.finetune.serving.engines.queued_answer import QueuedAnswer
from node0.finetune.serving.engines.token_engine import EngineFigures, GenerationRequest

MAX_WAITING = 32
"Requests that may wait beside those of one base that are computed."


@dataclass(frozen=True, slots=True)
class Placement:
    """Which loaded weights answer for a model."""

    weights: str
    "As the pool calls them."

    adapter: str | None = None
    "The adapter that its rows pass; None where it is inside the weights, or there is none."


class LocalEngine:
    """Answers with engines of a pool; requests over one base are decoded together."""

    def __init__(
        self,
        pool: ModelPool,
        placements: Mapping[str, Placement],
        *,
        max_running: int = MAX_RUNNING,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        """Answer for the models that `placements` names."""
        self._pool = pool
        self._places = max_running + max_waiting
        self._placements: dict[str, Placement] = {}
        self._workers: dict[str, BatchWorker] = {}
        for name, placement in placements.items():
            self._engage(name, placement)
        self._warm = False

    def offer(self, name: str, placement: Placement, loader: Loader) -> None:
        """Answer for this model too; its weights are loaded when it is asked for, if they are not there.

        Raises:
            DoesNotFit: they alone are over the pool's budget.
        """
        self._pool.offer(placement.weights, loader)
        self._engage(name, placement)

    async def open(self, request: GenerationRequest) -> QueuedAnswer:
        """Take a place at the model's base."""
        placement = self._placements.get(request.model)
        if placement is None:
            raise NotFound(f"the engine has no model {request.model}; start the server with it")
        return self._workers[placement.weights].enter(request, placement.adapter)

    async def warm_up(self) -> None:
        """Load the weights before they are asked for; the first alone where not all fit."""
        names = list(self._workers) if self._pool.fits_all else list(self._workers)[:1]
        for name in names:
            await asyncio.to_thread(self._load, name)
        self._warm = True

    async def ready(self) -> str:
        """Why it cannot answer now; empty when it can."""
        return "" if self._warm else "loading"

    def waiting(self) -> dict[str, int]:
        """Requests that are computed or wait, by model."""
        counted = Counter(
            place.request.model for worker in list(self._workers.values()) for place in worker.present()
        )
        return {name: counted[name] for name in list(self._placements)}

    def figures(self) -> dict[str, EngineFigures]:
        """What loaded bases hold and did."""
        return {name: engine.figures() for name, engine in self._pool.in_memory().items()}

    async def close(self) -> None:
        """End what runs, and unload everything."""
        with ExitStack() as stack:
            stack.callback(self._pool.close)
            for worker in self._workers.values():
                await asyncio.to_thread(worker.close)

    def _engage(self, name: str, placement: Placement) -> None:
        weights = placement.weights
        if weights not in self._workers:
            lender = Lender(lambda: self._pool.using(weights), lambda: self._pool.wanted)
            self._workers[weights] = BatchWorker(weights, lender, places=self._places)
        self._placements[name] = placement

    def _load(self, name: str) -> None:
        with self._pool.using(name):
            pass
