# SPDX-License-Identifier: Apache-2.0
"""The swarm batch: sequences over stages at peers, where a batch engine would have weights of its own.

A step is a round: every sequence sends its next ids, each stage works on one while others work on the
next, and the draws come back.
"""

from collections import deque

from node0.errors import EngineBusy, EngineUnavailable, Node0Error, RetriableError, SwarmTimeout
from node0.finetune.serving.engines.batching.batch_engine import MAX_RUNNING, Progress
from node0.finetune.serving.engines.batching.sequence import Sequence
from node0.finetune.serving.engines.token_engine import GeneratedToken
from node0.pipeline.swarm.sequence_round import RecoveringStages, Results, play_round
from node0.pipeline.swarm.swarm_sequence import SwarmSequence


class SwarmBatch:
    """Computes sequences over one swarm. One thread calls it."""

    def __init__(self, pipeline: RecoveringStages, *, max_running: int = MAX_RUNNING) -> None:
        """Have at most `max_running` sequences under way; the stages' caches may bound it further."""
        self._pipeline, self._max_running = pipeline, max_running
        self._waiting: deque[Sequence] = deque()
        self._running: list[Sequence] = []
        self._remote: dict[Sequence, SwarmSequence] = {}
        self._is_full = False
        "The stages have no room for another one before one of these has left."

    @property
    def busy(self) -> bool:
        """Whether anything waits or runs."""
        return bool(self._remote)

    def add(self, sequence: Sequence) -> None:
        """Queue a sequence."""
        request = sequence.request
        remote = SwarmSequence(request.sampling, max_length=len(request.prompt) + request.max_tokens)
        remote.append(request.prompt)
        self._remote[sequence] = remote
        self._waiting.append(sequence)

    def abort(self, sequence: Sequence) -> None:
        """Take a sequence out, whatever it is doing, and free its caches."""
        remote = self._remote.pop(sequence, None)
        if remote is None:
            return
        (self._running if sequence in self._running else self._waiting).remove(sequence)
        self._is_full = False
        if remote.route:
            self._pipeline.run(remote.close)

    def step(self) -> list[Progress]:
        """Play a round, through any loss of stages; what it brought to whom.

        Raises:
            EngineUnavailable: a lost stage is not held again in time.
            EngineBusy: the stages have no room for any of them.
        """
        while self._waiting and len(self._running) < self._max_running and not self._is_full:
            self._running.append(self._waiting.popleft())
        results = self._play()
        self._send_back(results)
        return [
            self._progress(sequence, results[self._remote[sequence]])
            for sequence in [*self._running]
            if self._remote[sequence] in results
        ]

    def _play(self) -> Results:
        try:
            return play_round(self._pipeline, [self._remote[sequence] for sequence in self._running])
        except Node0Error as fault:
            is_full = isinstance(fault, RetriableError) and not isinstance(fault, SwarmTimeout)
            error = EngineBusy if is_full else EngineUnavailable
            raise error(f"the swarm cannot answer: {fault}") from fault

    def _send_back(self, results: Results) -> None:
        """Let wait whoever found no room beside the others, before those who came later."""
        for sequence in reversed(self._running.copy()):
            remote = self._remote[sequence]
            if not remote.route and remote not in results:
                self._is_full = True
                self._running.remove(sequence)
                self._waiting.appendleft(sequence)

    def _progress(self, sequence: Sequence, result: int | Node0Error) -> Progress:
        if isinstance(result, Node0Error):
            self.abort(sequence)
            return Progress(sequence, [], EngineUnavailable(f"a stage refuses: {result}"))
        sequence.ids.append(result)
        is_stop = result in sequence.request.stop_ids
        sequence.done = is_stop or sequence.left <= 0
        if sequence.done:
            self.abort(sequence)
        else:
            self._remote[sequence].append([result])
        return Progress(sequence, [] if is_stop else [GeneratedToken(result)])
