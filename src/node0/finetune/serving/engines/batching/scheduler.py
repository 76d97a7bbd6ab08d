# SPDX-License-Identifier: Apache-2.0
"""The scheduler: which sequences take part in the next step, with how many ids, and who must wait for blocks.

Whoever decodes goes first, prompts share what is left of the step's budget in the order in which they came.
When decoding finds no block, the youngest gives up its own and is computed again later.
"""

from collections import deque
from dataclasses import dataclass

from node0.finetune.serving.engines.batching.block_pool import BlockPool
from node0.finetune.serving.engines.batching.sequence import Sequence
from node0.models.block_cache import BLOCK
from node0.pipeline.batch_runner import blocks_for


@dataclass(frozen=True, slots=True)
class Work:
    """One sequence's part in a step."""

    sequence: Sequence
    ids: list[int]
    "Known ids that are not computed, then guesses."

    guessed: int
    draws: bool
    "Whether all that is known is computed then, so that an id is drawn."


@dataclass(frozen=True, slots=True)
class Admission:
    """A sequence that was let in, and the block that must be copied for it."""

    sequence: Sequence
    copy: tuple[int, int] | None
    reused: int
    "Ids of its prompt that were found; 0 where it comes back after it gave up its blocks."


class Scheduler:
    """Sequences that wait, and those that run."""

    def __init__(self, pool: BlockPool, *, max_running: int, step_ids: int) -> None:
        """Run at most `max_running` sequences, with at most `step_ids` ids a step."""
        self.pool = pool
        self.waiting: deque[Sequence] = deque()
        self.running: list[Sequence] = []
        self._max_running, self._step_ids = max_running, step_ids
        self.preempted = 0
        "How often a sequence gave up its blocks for an older one."

    def admit(self) -> list[Admission]:
        """Let in whoever finds a place and the blocks of all that it knows."""
        admitted = []
        while self.waiting and len(self.running) < self._max_running:
            admission = self._admit(self.waiting[0])
            if admission is None:
                break
            self.running.append(self.waiting.popleft())
            admitted.append(admission)
        return admitted

    def plan(self) -> list[Work]:
        """The next step; empty where nothing runs."""
        budget, works = self._step_ids, dict[Sequence, Work]()
        decoding = [sequence for sequence in self.running if sequence.pending == 1]
        rest = [sequence for sequence in self.running if sequence.pending > 1]
        for sequence in [*decoding, *rest]:
            if budget <= 0:
                break
            if sequence not in self.running or not (work := self._work(sequence, budget, works)):
                continue
            works[sequence] = work
            budget -= len(work.ids)
        return list(works.values())

    def leave(self, sequence: Sequence) -> None:
        """Take a sequence out, wherever it is; what it computed stays known while there is room."""
        if sequence in self.running:
            self.running.remove(sequence)
        elif sequence in self.waiting:
            self.waiting.remove(sequence)
        self._let_go(sequence)

    def publish(self, sequence: Sequence) -> None:
        """Let others find the blocks that became full."""
        while (len(sequence.digests) + 1) * BLOCK <= sequence.computed:
            self._publish(sequence, len(sequence.digests))

    def _publish(self, sequence: Sequence, number: int) -> None:
        parent = sequence.digests[-1] if sequence.digests else _root(sequence)
        ids = sequence.ids[number * BLOCK : min((number + 1) * BLOCK, sequence.computed)]
        sequence.digests.append(self.pool.publish(sequence.blocks[number], parent, ids))

    def _admit(self, sequence: Sequence) -> Admission | None:
        # The last id is computed in any case: what follows it is drawn.
        match = self.pool.match(_root(sequence), sequence.ids[:-1])
        source = [match.partial] if match.partial is not None else []
        self.pool.hold([*match.blocks, *source])
        after = match.blocks[-1] if match.blocks else None
        needed = blocks_for(len(sequence.ids)) - len(match.blocks)
        taken = self.pool.take(needed, after=after, room=sequence.most_blocks)
        self.pool.release(source)
        if taken is None and source:
            # The half one may be the very block that lacks: its ids are computed anew then.
            source = []
            taken = self.pool.take(needed, after=after, room=sequence.most_blocks)
        if taken is None:
            self.pool.release(match.blocks)
            return None
        sequence.blocks, sequence.digests = [*match.blocks, *taken], list(match.digests)
        sequence.computed = len(match.blocks) * BLOCK + (match.alike if source else 0)
        reused = 0 if sequence.admitted else sequence.computed
        if not sequence.admitted:
            sequence.admitted, sequence.reused = True, reused
        return Admission(sequence, (source[0], taken[0]) if source else None, reused)

    def _work(self, sequence: Sequence, budget: int, works: dict[Sequence, Work]) -> Work | None:
        """The sequence's part; None where it had to give up its blocks."""
        count = min(sequence.pending, budget)
        guesses: list[int] = []
        if sequence.pending == 1 and sequence.lookup is not None:
            guesses = sequence.lookup.guess(sequence.ids, min(budget - 1, sequence.left - 1))
        if not self._room(sequence, count + len(guesses)):
            guesses = []
            while not self._room(sequence, count):
                youngest = self.running[-1]
                works.pop(youngest, None)
                self._preempt(youngest)
                if youngest is sequence:
                    return None
        known = sequence.ids[sequence.computed : sequence.computed + count]
        return Work(sequence, [*known, *guesses], len(guesses), draws=count == sequence.pending)

    def _room(self, sequence: Sequence, count: int) -> bool:
        needed = blocks_for(sequence.computed + count) - len(sequence.blocks)
        if needed <= 0:
            return True
        taken = self.pool.take(needed, after=sequence.blocks[-1] if sequence.blocks else None)
        sequence.blocks += taken or ()
        return taken is not None

    def _preempt(self, sequence: Sequence) -> None:
        self.preempted += 1
        self.running.remove(sequence)
        self._let_go(sequence)
        self.waiting.appendleft(sequence)

    def _let_go(self, sequence: Sequence) -> None:
        self.publish(sequence)
        if sequence.computed > len(sequence.digests) * BLOCK:
            self._publish(sequence, len(sequence.digests))
        self.pool.release(sequence.blocks)
        sequence.blocks, sequence.digests, sequence.computed = [], [], 0


def _root(sequence: Sequence) -> bytes:
    """What comes before the first block: keys and values depend on the adapter too."""
    return f"adapter {sequence.adapter}".encode()
