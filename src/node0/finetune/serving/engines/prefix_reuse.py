# SPDX-License-Identifier: Apache-2.0
"""Prefix reuse: a model's last sequence is kept, and the next prompt is computed from where it differs."""

from collections.abc import Callable, Sequence
from itertools import takewhile

from node0.errors import ConfigError, EngineUnavailable
from node0.pipeline.local import LocalPipeline
from node0.pipeline.local_session import LocalSession
from node0.pipeline.protocol import SamplingParams

CHUNK = 512
"Ids of a prompt that are computed at once; between two chunks a request that was left ends."

GROWTH = 2
"A kept cache is this much longer than its first request needs, since the next request is longer."

Stopped = Callable[[], bool]


class ReusedSession:
    """A session whose beginning may have been computed before; closing it keeps its caches."""

    def __init__(
        self, inner: LocalSession, known: list[int], *, max_length: int, chunk: int, stopped: Stopped
    ) -> None:
        self._inner = inner
        self._chunk = chunk
        self._stopped = stopped
        self._ids = known
        "What the caches hold, also after this session."
        self._max_length = max_length
        self._begun = False
        self._closed = False
        self.reused = 0
        "Ids that were not computed again."

    def extend(self, ids: Sequence[int]) -> int:
        """Append these ids to the sequence, sample and return the next id (not yet appended).

        Raises:
            ConfigError: there are no ids, the session is closed, or it would outgrow its `max_length`.
            EngineUnavailable: the request was left while its prompt was computed.
        """
        if self._closed or not ids:
            raise ConfigError(
                "nothing to extend: " + ("session is closed" if ids else "give at least one id")
            )
        if not self._begun:
            self._begin(ids)
            ids = ids[self.reused :]
        if len(self._ids) + len(ids) > self._max_length:
            raise ConfigError(f"the sequence outgrows the session's {self._max_length}; raise max_length")
        token = 0
        for start in range(0, len(ids), self._chunk):
            if start and self._stopped():
                raise EngineUnavailable("the request was left; ask again")
            part = ids[start : start + self._chunk]
            # A draw depends on seed and length alone: those between chunks change nothing.
            token = self._inner.extend(part)
            self._ids.extend(part)
        return token

    def rollback(self, length: int) -> None:
        """Forget all but the first `length` tokens."""
        self._inner.rollback(length)
        del self._ids[length:]

    def __len__(self) -> int:
        return len(self._ids) if self._begun else 0

    def close(self) -> None:
        """Take no more; the caches stay for the next."""
        self._closed = True

    def _begin(self, ids: Sequence[int]) -> None:
        """Go back to where the prompt and what is known part; the last id is computed in any case."""
        alike = takewhile(lambda pair: pair[0] == pair[1], zip(self._ids, ids[:-1], strict=False))
        self._begun, self.reused = True, sum(1 for _ in alike)
        self.rollback(self.reused)


class ReusingPipeline:
    """Sessions over a pipeline, one at a time, each from what the last one left."""

    def __init__(self, pipeline: LocalPipeline, *, chunk: int = CHUNK) -> None:
        self._pipeline = pipeline
        self._chunk = chunk
        self.stopped: Stopped = _never
        "Asked between two chunks of a prompt whether its request was left."
        self._kept: LocalSession | None = None
        self._ids: list[int] = []
        self._capacity = 0
        self._last: ReusedSession | None = None
        # Memory of a processor is taken when it is written to; of other devices at once.
        on_processor = all(weight.device.type == "cpu" for weight in pipeline.stages[0].parameters())
        self._growth = GROWTH if on_processor else 1

    @property
    def reused(self) -> int:
        """Ids that the session opened last did not compute again."""
        return self._last.reused if self._last is not None else 0

    def session(
        self, params: SamplingParams, *, max_length: int, adapter: str | None = None
    ) -> ReusedSession:
        """Open a sequence of at most `max_length` tokens; the one before is over.

        Raises:
            ConfigError: an adapter is named; the kept caches are of the weights as they are.
        """
        if adapter is not None:
            raise ConfigError(f"adapter {adapter!r} cannot be chosen by request; load the model with it")
        if self._last is not None:
            self._last.close()
        if self._kept is None or max_length > self._capacity:
            self._forget()
            self._capacity = max_length * self._growth
            self._kept = self._pipeline.session(params, max_length=self._capacity)
        self._kept.draw_by(params)
        self._last = ReusedSession(
            self._kept, self._ids, max_length=max_length, chunk=self._chunk, stopped=lambda: self.stopped()
        )
        return self._last

    def close(self) -> None:
        """Free the caches and what the pipeline holds."""
        self._forget()
        self._pipeline.close()

    def _forget(self) -> None:
        if self._kept is not None:
            self._kept.close()
        self._kept, self._ids, self._last = None, [], None


def _never() -> bool:
    return False
