# SPDX-License-Identifier: Apache-2.0
"""Our own engine: models of this process, each with a thread and a queue of its own."""

import asyncio
from collections.abc import Generator, Mapping
from contextlib import ExitStack

from node0.errors import ConfigError, NotFound
from node0.finetune.inference import generator
from node0.finetune.serving.engines.model_pool import Loader, ModelPool
from node0.finetune.serving.engines.model_worker import ModelWorker, QueuedAnswer
from node0.finetune.serving.engines.token_engine import GenerationRequest

MAX_WAITING = 32
"Requests that may wait for one model."


class LocalEngine:
    """Answers with pipelines of a pool; requests of one model queue for one thread."""

    def __init__(
        self, pool: ModelPool, contexts: Mapping[str, int], *, max_waiting: int = MAX_WAITING
    ) -> None:
        """Answer for the models that `contexts` names, each with the tokens it can hold."""
        self._pool = pool
        self._max_waiting = max_waiting
        self._contexts: dict[str, int] = {}
        self._workers: dict[str, ModelWorker] = {}
        for name, context in contexts.items():
            self._engage(name, context)
        self._warm = False

    def offer(self, name: str, loader: Loader, *, context: int) -> None:
        """Answer for this model too, which is loaded when it is asked for.

        Raises:
            DoesNotFit: it alone is over the pool's budget.
        """
        self._pool.offer(name, loader)
        self._engage(name, context)

    async def open(self, request: GenerationRequest) -> QueuedAnswer:
        """Take a place in the model's queue."""
        if request.model not in self._workers:
            raise NotFound(f"the engine has no model {request.model}; start the server with it")
        if request.mask is not None or request.logprobs is not None:
            raise ConfigError("this engine tells no log probabilities and takes no mask; leave them out")
        return self._workers[request.model].enter(request)

    async def warm_up(self) -> None:
        """Load the models before they are asked for; the first alone where not all fit."""
        names = list(self._contexts) if self._pool.fits_all else list(self._contexts)[:1]
        for name in names:
            await asyncio.to_thread(self._load, name)
        self._warm = True

    async def ready(self) -> str:
        """Why it cannot answer now; empty when it can."""
        return "" if self._warm else "loading"

    def waiting(self) -> dict[str, int]:
        """Requests that are computed or wait, by model."""
        return {name: len(worker) for name, worker in list(self._workers.items())}

    async def close(self) -> None:
        """End what runs, and unload everything."""
        with ExitStack() as stack:
            stack.callback(self._pool.close)
            for worker in self._workers.values():
                await asyncio.to_thread(worker.close)

    def _engage(self, name: str, context: int) -> None:
        self._contexts[name] = context
        self._workers[name] = ModelWorker(name, self._answer, max_waiting=self._max_waiting)

    def _load(self, name: str) -> None:
        with self._pool.using(name):
            pass

    def _answer(self, place: QueuedAnswer) -> Generator[int, None, None]:
        request, sampling = place.request, place.request.sampling
        with self._pool.using(request.model) as pipeline:
            pipeline.stopped = place.cancelled.is_set
            answering = generator.Generator(pipeline, context=self._contexts[request.model])
            ids = answering.generate(
                request.prompt,
                request.max_tokens,
                sampling.temperature,
                sampling.top_p,
                request.stop_ids,
                top_k=sampling.top_k,
                seed=sampling.seed,
            )
            for token_id in ids:
                place.reused = pipeline.reused
                yield token_id
