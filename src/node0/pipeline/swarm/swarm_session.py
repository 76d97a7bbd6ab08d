# SPDX-License-Identifier: Apache-2.0
"""A generation session over stages at peers: one sequence that plays rounds by itself."""

from collections.abc import Sequence

from node0.errors import ConfigError, NonRetriableError
from node0.pipeline.protocol import SamplingParams
from node0.pipeline.swarm.sequence_round import RecoveringStages, play_round
from node0.pipeline.swarm.swarm_sequence import SwarmSequence


class SwarmSession:
    """Ids go in at the head, pass the stages from peer to peer, and the tail's draw comes back."""

    def __init__(self, pipeline: RecoveringStages, params: SamplingParams, *, max_length: int) -> None:
        self._pipeline = pipeline
        self._sequence = SwarmSequence(params, max_length=max_length)
        self._is_open = True

    def __len__(self) -> int:
        return len(self._sequence)

    def extend(self, ids: Sequence[int]) -> int:
        """Append these ids to the sequence, sample and return the next id (not yet appended).

        Raises:
            ConfigError: there are no ids, the session is closed, or it would outgrow its `max_length`.
            NonRetriableError: a stage cannot take the ids.
            RetriableError: stages have no room, or a lost one does not come back; nothing was appended.
        """
        if not self._is_open:
            raise ConfigError("nothing to extend: session is closed")
        length = len(self._sequence)
        self._sequence.append(ids)
        try:
            return self._drawn()
        except BaseException:
            self._sequence.cut(length)
            raise

    def rollback(self, length: int) -> None:
        """Forget all but the first `length` tokens; the stages hear of it with the next ids."""
        self._sequence.cut(length)

    def close(self) -> None:
        """Free the caches."""
        self._is_open = False
        self._pipeline.run(self._sequence.close)

    def _drawn(self) -> int:
        while True:
            result = play_round(self._pipeline, [self._sequence]).get(self._sequence)
            if isinstance(result, NonRetriableError):
                raise result
            if result is not None:
                return result
