# SPDX-License-Identifier: Apache-2.0
"""The batch worker: one thread that steps one base's engine while anyone waits for it."""

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from node0.errors import EngineBusy, EngineUnavailable, Node0Error
from node0.finetune.serving.engines.batching.batch_engine import Progress
from node0.finetune.serving.engines.batching.sequence import Sequence
from node0.finetune.serving.engines.queued_answer import Items, QueuedAnswer, hand_over_together
from node0.finetune.serving.engines.token_engine import GenerationRequest

logger = logging.getLogger(__name__)

JOIN_SECONDS = 30.0
"How long `close` waits for the step that is being computed."


class SteppedBatch(Protocol):
    """What a worker steps; one thread calls it. `BatchEngine` is one."""

    @property
    def busy(self) -> bool:
        """Whether anything waits or runs."""
        ...

    def add(self, sequence: Sequence) -> None:
        """Queue a sequence; a `Node0Error` is its own affair."""
        ...

    def abort(self, sequence: Sequence) -> None:
        """Take a sequence out, whatever it is doing."""
        ...

    def step(self) -> list[Progress]:
        """Compute once; what it brought to whom. An error is everyone's."""
        ...


@dataclass(frozen=True, slots=True)
class Lender:
    """Where a worker gets its engine."""

    lend: Callable[[], AbstractContextManager[SteppedBatch]]
    "The engine, loaded now if need be, for as long as the block lasts."

    wanted: Callable[[], bool]
    "Whether another base waits for the room."


class BatchWorker:
    """Takes requests of one base, and hands each its ids."""

    def __init__(self, name: str, lender: Lender, *, places: int) -> None:
        """Take at most `places` requests at once, computed and waiting together."""
        self.name = name
        self._lender, self._places = lender, places
        self._new: list[tuple[QueuedAnswer, Sequence]] = []
        self._open: dict[Sequence, QueuedAnswer] = {}
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=f"node0-serve-{name}", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        return len(self.present())

    def present(self) -> list[QueuedAnswer]:
        """Requests that are computed or wait; those that were left are gone at once."""
        with self._changed:
            return [place for place in self._all() if not place.cancelled.is_set()]

    def enter(self, request: GenerationRequest, adapter: str | None = None) -> QueuedAnswer:
        """Take a place.

        Raises:
            EngineBusy: all places are taken.
            EngineUnavailable: the worker was closed.
        """
        place = QueuedAnswer(request, self._leave)
        sequence = Sequence(request, adapter)
        with self._changed:
            if self._closed:
                raise EngineUnavailable(f"model {request.model} is being shut down; ask again later")
            taken = sum(not place.cancelled.is_set() for place in self._all())
            if taken >= self._places:
                raise EngineBusy(f"{taken} requests wait for model {request.model}; ask again later")
            self._new.append((place, sequence))
            self._changed.notify_all()
        return place

    def close(self) -> None:
        """Cancel everything and end the thread."""
        with self._changed:
            self._closed = True
            given_up = self._all()
            self._new.clear()
            self._changed.notify_all()
        for place in given_up:
            place.cancelled.set()
            place.hand_over(EngineUnavailable("the server is being shut down; ask again later"))
        self._thread.join(JOIN_SECONDS)

    def _all(self) -> list[QueuedAnswer]:
        return [*(place for place, _ in self._new), *self._open.values()]

    def _leave(self, place: QueuedAnswer) -> None:
        with self._changed:
            self._new = [pair for pair in self._new if pair[0] is not place]

    def _run(self) -> None:
        while self._wait():
            try:
                with self._lender.lend() as engine:
                    self._work(engine)
            except Exception as error:  # whoever asked hears it, and the next is answered
                logger.debug("model %s failed", self.name, exc_info=True)
                self._fail(error)

    def _wait(self) -> bool:
        """Wait for a request; whether there is one."""
        with self._changed:
            self._changed.wait_for(lambda: self._new or self._closed)
            return not self._closed

    def _work(self, engine: SteppedBatch) -> None:
        """Step until nobody waits, or another base needs the room and all that was begun is done."""
        try:
            begun = False
            while True:
                if not (begun and self._lender.wanted()):
                    self._let_in(engine)
                self._let_out(engine)
                if not engine.busy:
                    return
                begun = True
                brought = map(self._brought, engine.step())
                hand_over_together(pair for pair in brought if pair[1])
        finally:
            for sequence in list(self._open):
                engine.abort(sequence)

    def _let_in(self, engine: SteppedBatch) -> None:
        with self._changed:
            new, self._new = self._new, []
            self._open |= {sequence: place for place, sequence in new}
        for place, sequence in new:
            try:
                engine.add(sequence)
            except (Node0Error, OSError) as error:  # an adapter that cannot be read is this request's affair
                self._end(sequence, place, error)

    def _let_out(self, engine: SteppedBatch) -> None:
        """Free what those hold who left."""
        for sequence, place in list(self._open.items()):
            if place.cancelled.is_set():
                engine.abort(sequence)
                self._end(sequence, place, None)

    def _brought(self, progress: Progress) -> tuple[QueuedAnswer, Items]:
        """What a step brought to whom; nobody waits for it any more where that is the end."""
        sequence = progress.sequence
        place = self._open[sequence]
        place.reused = sequence.reused
        if not sequence.done and progress.error is None:
            return place, tuple(progress.tokens)
        with self._changed:
            del self._open[sequence]
        return place, (*progress.tokens, progress.error)

    def _end(self, sequence: Sequence, place: QueuedAnswer, *items: object) -> None:
        with self._changed:
            del self._open[sequence]
        place.hand_over(*items)  # type: ignore[arg-type]  # ids, then an error or None

    def _fail(self, error: Exception) -> None:
        with self._changed:
            failed = self._all()
            self._new.clear()
            self._open.clear()
        for place in failed:
            place.hand_over(error)
