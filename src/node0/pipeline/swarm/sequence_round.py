# SPDX-License-Identifier: Apache-2.0
"""A round of generation over stages at peers: every sequence sends its next ids, and the draws come back.

All sequences are under way at once, so that each stage works on one while others work on the next. When
a stage is lost, whoever holds the stages then gets all ids once more; a draw depends on seed and length
alone, so the text goes on as it would have.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from node0.errors import NonRetriableError, RetriableError, SwarmTimeout
from node0.pipeline.swarm.host_connection import HostConnection
from node0.pipeline.swarm.reports import raise_if_over
from node0.pipeline.swarm.retry_budget import RetryBudget
from node0.pipeline.swarm.stage_calls import StageCalls
from node0.pipeline.swarm.swarm_sequence import SwarmSequence
from node0.swarm.transport.frames import Frame

T = TypeVar("T")

Results = dict[SwarmSequence, int | NonRetriableError]
"The id that follows a sequence, or why it cannot go on."


class RecoveringStages(Protocol):
    """What a round asks of the pipeline that it is of."""

    @property
    def stages(self) -> StageCalls:
        """What can be asked of all stages."""
        ...

    def run(self, call: Callable[[], Awaitable[T]]) -> T:
        """Run a coroutine on the peer's loop."""
        ...

    def retry_budget(self) -> RetryBudget:
        """For one thing that is tried again."""
        ...

    def recover(self, fault: RetriableError) -> None:
        """Bring all stages back to where they were."""
        ...


def play_round(pipeline: RecoveringStages, sequences: Sequence[SwarmSequence]) -> Results:
    """Play one round, on whoever holds the stages, as often as it takes.

    A sequence that has more to send than one round takes, or finds no room beside the others, has no result
    yet; the latter's `route` is empty.

    Raises:
        SwarmTimeout: a stage is missing, or rounds fail, for longer than the pipeline's patience.
        RetriableError: there is room for none of them, also when asked once again.
        NonRetriableError: the stages are led by another one, or cannot be used.
    """
    refusals, budget = 0, pipeline.retry_budget()
    while True:
        try:
            return pipeline.run(lambda: _play(pipeline.stages, sequences))
        except RetriableError as fault:
            refusals += not isinstance(fault, SwarmTimeout)
            pipeline.run(lambda: _close(sequences))
            if refusals > 1:
                raise
            budget.spend(fault)
            pipeline.recover(fault)


async def _play(stages: StageCalls, sequences: Sequence[SwarmSequence]) -> Results:
    await stages.admit()
    results = await _open(stages, sequences)
    playing = [sequence for sequence in sequences if sequence.route and not sequence.is_sent]
    draws = _Draws(playing, results)
    for sequence in playing:
        await sequence.send()
    await _hear(stages, draws)
    return results


async def _open(stages: StageCalls, sequences: Sequence[SwarmSequence]) -> Results:
    """Open what is not open, each at the members with the fewest sequences; why others never can be.

    The first that finds no room beside others ends it, so that none overtakes it.
    """
    load = Counter(member for sequence in sequences for member in sequence.route)
    failed: Results = {}
    for sequence in sequences:
        if sequence.route:
            continue
        route = [min(members, key=load.__getitem__) for members in stages.route()]
        try:
            await sequence.open(route)
        except NonRetriableError as error:
            failed[sequence] = error
        except RetriableError as error:
            if isinstance(error, SwarmTimeout) or not load:
                raise
            break
        else:
            load.update(route)
    return failed


async def _hear(stages: StageCalls, draws: "_Draws") -> None:
    """Wait until all of them have come.

    Raises:
        SwarmTimeout: a member of theirs is lost, or no draw comes in time, whatever else does.
        RetriableError: a stage lacks what it needs to go on.
    """
    clock = asyncio.get_running_loop().time
    try:
        async with asyncio.timeout(stages.deadline) as limit:
            while draws.heard:
                if draws.take(*await stages.reports.get()):
                    limit.reschedule(clock() + stages.deadline)
    except TimeoutError:
        raise SwarmTimeout(f"no stage answered within {stages.deadline:g} s") from None


class _Draws:
    """The draws that a round waits for. Made before the round's pieces are sent."""

    def __init__(self, playing: Sequence[SwarmSequence], results: Results) -> None:
        self.heard = {sequence: sequence.turn for sequence in playing}
        "Of whoever still waits, the last piece behind which the last stage has drawn."

        self._results = results

    def take(self, member: HostConnection, frame: Frame) -> bool:
        """Note what a report says; whether it is a draw that was due."""
        for sequence in [*self.heard]:
            try:
                raise_if_over(member, frame, part=sequence.route, about=("session", sequence.name))
            except NonRetriableError as error:
                del self.heard[sequence]
                self._results[sequence] = error
                continue
            if frame.kind == "token" and frame["session"] == sequence.name and member is sequence.route[-1]:
                return self._drawn(sequence, frame["turn"], frame["token"])
        return False

    def _drawn(self, sequence: SwarmSequence, turn: int, token: int) -> bool:
        if not self.heard[sequence] < turn <= sequence.turn:
            return False
        self.heard[sequence] = turn
        if turn == sequence.turn:
            del self.heard[sequence]
            if sequence.is_sent:
                self._results[sequence] = token
        return True


async def _close(sequences: Sequence[SwarmSequence]) -> None:
    for sequence in sequences:
        await sequence.close()
