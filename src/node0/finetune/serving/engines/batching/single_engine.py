# SPDX-License-Identifier: Apache-2.0
"""The single engine: one sequence after the other, over a model without blocks of keys and values."""

from collections import deque

from node0.errors import EngineUnavailable
from node0.finetune.serving.engines.batching.batch_engine import Progress
from node0.finetune.serving.engines.batching.sequence import Sequence
from node0.finetune.serving.engines.batching.token_draw import draw
from node0.finetune.serving.engines.token_engine import EngineFigures
from node0.pipeline.local import LocalPipeline
from node0.pipeline.local_session import LocalSession


class SingleEngine:
    """Computes sequences in the order in which they came; others wait. Nothing is kept between them."""

    def __init__(self, pipeline: LocalPipeline) -> None:
        """Compute over stages of this process, which have one adapter inside or none."""
        self._pipeline = pipeline
        self._queue: deque[Sequence] = deque()
        self._session: LocalSession | None = None
        "Of the first one in the queue, once it was stepped."

        self._computed = 0

    @property
    def busy(self) -> bool:
        """Whether anything waits or runs."""
        return bool(self._queue)

    def add(self, sequence: Sequence) -> None:
        """Queue a sequence."""
        self._queue.append(sequence)

    def abort(self, sequence: Sequence) -> None:
        """Take a sequence out, whatever it is doing."""
        if sequence not in self._queue:
            return
        if sequence is self._queue[0] and self._session is not None:
            self._session.close()
            self._session = None
        self._queue.remove(sequence)

    def step(self) -> list[Progress]:
        """The next id of the sequence whose turn it is."""
        sequence = self._queue[0]
        new = sequence.ids[sequence.computed :]
        logits = self._begun(sequence).scores(new)
        self._computed += len(new)
        sequence.computed = len(sequence.ids)
        try:
            token = draw(sequence, logits, int(logits.argmax()))
        except EngineUnavailable as error:
            self.abort(sequence)
            return [Progress(sequence, [], error)]
        sequence.ids.append(token.id)
        is_stop = token.id in sequence.request.stop_ids
        sequence.done = is_stop or sequence.left <= 0
        if sequence.done:
            self.abort(sequence)
        return [Progress(sequence, [] if is_stop else [token])]

    def figures(self) -> EngineFigures:
        """What it holds and did; it has no blocks, guesses nothing and finds nothing again."""
        running = int(self._session is not None)
        return EngineFigures(
            running=running,
            waiting=len(self._queue) - running,
            cache_blocks=0,
            cache_blocks_held=0,
            cache_bytes=0,
            computed_ids=self._computed,
            reused_ids=0,
            guessed_ids=0,
            taken_ids=0,
            preempted=0,
        )

    def close(self) -> None:
        """Free weights and caches, once nobody else holds them."""
        self._pipeline.close()
        del self._pipeline

    def _begun(self, sequence: Sequence) -> LocalSession:
        if self._session is None:
            request = sequence.request
            longest = len(request.prompt) + request.max_tokens
            self._session = self._pipeline.session(request.sampling, max_length=longest)
        return self._session
