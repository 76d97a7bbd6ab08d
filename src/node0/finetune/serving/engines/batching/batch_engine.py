# SPDX-License-Identifier: Apache-2.0
"""The batch engine: sequences of one base decode together, and join and leave between two steps.

A step is: let in who waits, plan, run, draw. It has no thread and no lock; one thread calls it.
"""

from dataclasses import dataclass

from torch import Tensor

from node0.errors import ConfigError, EngineUnavailable
from node0.finetune.serving.engines.batching.block_pool import BlockPool
from node0.finetune.serving.engines.batching.scheduler import Scheduler, Work
from node0.finetune.serving.engines.batching.sequence import Sequence
from node0.finetune.serving.engines.batching.token_draw import draw, draw_ahead
from node0.finetune.serving.engines.token_engine import EngineFigures, GeneratedToken
from node0.models.block_cache import BLOCK
from node0.models.llama.batch_attention import Segment
from node0.pipeline.batch_runner import BatchRunner

MAX_RUNNING = 32
"Sequences that are computed together."

STEP_IDS = 512
"Ids of a step, prompts and answers together."


@dataclass(slots=True)
class Counts:
    """What an engine did since it was made."""

    computed: int = 0
    "Ids that passed the layers."

    reused: int = 0
    "Ids of prompts whose keys and values were there."

    guessed: int = 0
    taken: int = 0
    "Guesses that were right."

    steps: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """What a step brought one sequence."""

    sequence: Sequence
    tokens: list[GeneratedToken]
    "Without the id that ends an answer."

    error: Exception | None = None


class BatchEngine:
    """Computes sequences over one runner."""

    def __init__(
        self, runner: BatchRunner, *, max_running: int = MAX_RUNNING, step_ids: int = STEP_IDS
    ) -> None:
        self._runner = runner
        self.scheduler = Scheduler(BlockPool(runner.n_blocks), max_running=max_running, step_ids=step_ids)
        self.counts = Counts()

    @property
    def busy(self) -> bool:
        """Whether anything waits or runs."""
        return bool(self.scheduler.waiting or self.scheduler.running)

    def add(self, sequence: Sequence) -> None:
        """Queue a sequence.

        Raises:
            ConfigError: it could never fit, or its adapter is not here.
            BadCheckpoint: its adapter cannot be used.
        """
        if sequence.most_blocks > self._runner.n_blocks:
            asked = len(sequence.request.prompt) + sequence.request.max_tokens
            raise ConfigError(
                f"prompt and answer of {asked} tokens do not fit a cache of {self._runner.n_blocks * BLOCK}; "
                "ask for less, or serve with a larger --cache-gib"
            )
        self._runner.prepare(sequence.adapter)
        self.scheduler.waiting.append(sequence)

    def abort(self, sequence: Sequence) -> None:
        """Take a sequence out, whatever it is doing."""
        self.scheduler.leave(sequence)

    def step(self) -> list[Progress]:
        """Compute once; what it brought to whom."""
        for admission in self.scheduler.admit():
            self.counts.reused += admission.reused
            if admission.copy is not None:
                self._runner.copy_block(*admission.copy)
        works = self.scheduler.plan()
        if not works:
            return []
        brought = self._drawn(works, self._run(works))
        for work in works:
            self.scheduler.publish(work.sequence)
        for progress in brought:
            if progress.error is not None or progress.sequence.done:
                self.scheduler.leave(progress.sequence)
        return brought

    def figures(self) -> EngineFigures:
        """What it holds and did."""
        scheduler, counts = self.scheduler, self.counts
        return EngineFigures(
            running=len(scheduler.running),
            waiting=len(scheduler.waiting),
            cache_blocks=self._runner.n_blocks,
            cache_blocks_held=scheduler.pool.held,
            cache_bytes=self._runner.nbytes,
            computed_ids=counts.computed,
            reused_ids=counts.reused,
            guessed_ids=counts.guessed,
            taken_ids=counts.taken,
            preempted=scheduler.preempted,
        )

    def close(self) -> None:
        """Free weights and caches, once nobody else holds them."""
        self._runner.close()

    def _run(self, works: list[Work]) -> Tensor:
        """The logits behind every last known id and every guess."""
        segments, ids, wanted = [], list[int](), list[int]()
        for work in works:
            sequence, count = work.sequence, len(work.ids)
            segments.append(Segment(sequence.computed, count, sequence.blocks, sequence.adapter))
            ids += work.ids
            if work.draws:
                wanted += range(len(ids) - 1 - work.guessed, len(ids))
        self.counts.steps += 1
        self.counts.computed += len(ids)
        return self._runner.run(segments, ids, wanted)

    def _drawn(self, works: list[Work], logits: Tensor) -> list[Progress]:
        """What each work that draws comes to, given the logits of all."""
        drawing, rows, row = list[tuple[Work, int]](), dict[int, Sequence](), 0
        for work in works:
            work.sequence.computed += len(work.ids) - work.guessed
            if work.draws:
                drawing.append((work, row))
                rows[row] = work.sequence
                row += 1 + work.guessed
        likeliest, ahead = logits.argmax(dim=-1).tolist(), draw_ahead(rows, logits)
        found = []
        for work, row in drawing:
            own = slice(row, row + 1 + work.guessed)
            found.append(self._draw(work, logits[own], likeliest[own], ahead.get(row)))
        return found

    def _draw(self, work: Work, logits: Tensor, likeliest: list[int], ahead: int | None) -> Progress:
        """Draw behind the last known id, and behind each guess that was right."""
        sequence, tokens = work.sequence, list[GeneratedToken]()
        guesses = work.ids[len(work.ids) - work.guessed :]
        try:
            for number, row in enumerate(logits):
                token = draw(sequence, row, likeliest[number], ahead=None if number else ahead)
                sequence.ids.append(token.id)
                sequence.done = token.id in sequence.request.stop_ids
                if not sequence.done:
                    tokens.append(token)
                    sequence.done = sequence.left <= 0
                if sequence.done or number == len(guesses) or guesses[number] != token.id:
                    break
                sequence.computed += 1
        except EngineUnavailable as error:
            return Progress(sequence, tokens, error)
        self._note(work, number)
        return Progress(sequence, tokens)

    def _note(self, work: Work, taken: int) -> None:
        self.counts.guessed += work.guessed
        self.counts.taken += taken
        if work.sequence.lookup is not None:
            work.sequence.lookup.learn(work.guessed, taken)
