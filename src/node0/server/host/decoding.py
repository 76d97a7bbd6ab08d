# SPDX-License-Identifier: Apache-2.0
"""Generation at one stage: a KV cache a sequence, hidden states pushed on, ids sampled at the tail."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from node0.errors import ConfigError, FrameRefused, RetriableError
from node0.server.stage.cached_sequence import CachedSequence
from node0.server.stage.executor import StageExecutor
from node0.swarm.transport.frames import Frame


@dataclass(slots=True)
class _Sequence:
    cache: CachedSequence
    adapter: str | None
    above: str | None
    "Peer id of the next stage; None at the tail."

    sampling: dict[str, Any]
    report: Callable[[Frame], None]
    used: float
    "When it was last extended, by the decoder's clock."

    turn: int = -1
    "Number of the last extension that was done."


class Decoder:
    """The sequences of one stage. All methods run on the compute thread."""

    def __init__(
        self,
        executor: StageExecutor,
        *,
        push: Callable[[str, Frame], None],
        budget: int | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`budget`: bytes that all caches may hold together; None is without limit."""
        self._executor, self._push, self._budget, self._clock = executor, push, budget, clock
        self._sequences: dict[str, _Sequence] = {}

    @property
    def nbytes(self) -> int:
        """Bytes that the caches hold."""
        return sum(sequence.cache.nbytes for sequence in self._sequences.values())

    def open(self, frame: Frame, report: Callable[[Frame], None]) -> None:
        """Make room for a sequence.

        Raises:
            RetriableError: the caches are full; close a session or try later.
            ConfigError: another sequence has that name, or this one could hold nothing, or never be held.
        """
        name, length = frame["session"], int(frame["max_length"])
        if name in self._sequences or length < 1:
            raise ConfigError(
                f"a session {name} of {length} tokens cannot be opened; give another name or length"
            )
        needed = self._executor.new_sequence(1).nbytes * length
        if self._budget is not None and needed > self._budget:
            raise ConfigError(
                f"a session of {length} tokens needs {needed} bytes and all caches together have "
                f"{self._budget}; shorten prompt and answer"
            )
        if self._budget is not None and self.nbytes + needed > self._budget:
            raise RetriableError(
                f"caches hold {self.nbytes} of {self._budget} bytes and a session needs {needed}; "
                "close a session, shorten max_length or try later"
            )
        adapter = self._executor.adapter if frame["adapter"] else None
        self._sequences[name] = _Sequence(
            self._executor.new_sequence(length),
            adapter,
            frame["above"],
            dict(frame["sampling"]),
            report,
            used=self._clock(),
        )

    def handle(self, frame: Frame) -> None:
        """Append the tokens that a `decode` frame brings, and pass them on or draw the next id."""
        sequence, turn = self._sequences.get(frame["session"]), int(frame["turn"])
        if sequence is None:
            raise RetriableError(f"session {frame['session']} is not open here; replay it")
        if turn <= sequence.turn:
            return
        keep = int(frame["keep"])
        if keep < len(sequence.cache):
            sequence.cache.rollback(keep)
        if keep > len(sequence.cache):
            raise RetriableError(f"the session has {len(sequence.cache)} tokens, not {keep}; replay it")
        if len(frame.tensors) != 1:
            raise FrameRefused("a decode frame brings one tensor; run one version on all peers")
        hidden = self._executor.extend(sequence.cache, frame.tensors[0], adapter=sequence.adapter)
        sequence.turn, sequence.used = turn, self._clock()
        if sequence.above is not None:
            self._push(sequence.above, Frame("decode", frame.fields, [hidden]))
            return
        token = sequence.cache.sample(hidden, **sequence.sampling)
        sequence.report(Frame("token", {"session": frame["session"], "turn": turn, "token": token}))

    def reporter(self, session: object) -> Callable[[Frame], None] | None:
        """Who hears of a sequence; None where it is not open."""
        found = self._sequences.get(session) if isinstance(session, str) else None
        return None if found is None else found.report

    def close(self, session: str) -> None:
        """Free a sequence's cache."""
        self._sequences.pop(session, None)

    def expire(self, idle: float) -> None:
        """Free the sequences that nobody has extended for so many seconds; who comes back replays them."""
        until = self._clock() - idle
        self._sequences = {name: found for name, found in self._sequences.items() if found.used > until}

    def close_all_of(self, report: Callable[[Frame], None]) -> None:
        """Free the sequences of a client that is gone."""
        for name in [name for name, found in self._sequences.items() if found.report == report]:
            del self._sequences[name]
