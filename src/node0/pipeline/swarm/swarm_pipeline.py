# SPDX-License-Identifier: Apache-2.0
"""The swarm pipeline: stages at peers.

A step that fails for any reason is done again, after the lost have come back or others have taken their
place; its result is that of a step without failures.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from node0.errors import ConfigError, RetriableError
from node0.lora.trainable import ADAPTER
from node0.pipeline.protocol import Microbatch, SamplingParams, StepResult, TrainStep
from node0.pipeline.swarm.retry_budget import RetryBudget
from node0.pipeline.swarm.roster import Roster
from node0.pipeline.swarm.stage_calls import StageCalls
from node0.pipeline.swarm.state_sync import StateSync
from node0.pipeline.swarm.swarm_session import SwarmSession
from node0.pipeline.swarm.swarm_settings import SwarmSettings
from node0.pipeline.swarm.swarm_state import Cut, History
from node0.pipeline.swarm.swarm_step import StepAttempt, Work
from node0.server.host.stage_spec import StageTraining
from node0.server.stage.state_file import PATTERN, StateReader, write_state_bytes
from node0.swarm.peer.peer import Peer

logger = logging.getLogger(__name__)

T = TypeVar("T")


class SwarmPipeline:
    """A `Pipeline` over stage hosts. Its methods block; the work is done on the peer's loop."""

    def __init__(
        self, peer: Peer, settings: SwarmSettings, training: StageTraining, *, max_grad_norm: float | None
    ) -> None:
        """Find a member for every stage and give all of them fresh trained weights.

        Raises:
            SwarmTimeout: a stage is missing for longer than `settings.patience`.
            ConfigError: a stage has another base or speaks another protocol.
        """
        self._peer, self._settings = peer, settings
        self._max_grad_norm = max_grad_norm
        self.on_recovery: Callable[[str | None], None] = lambda loss: None
        "Told what was lost, and None when all stages are there again."

        sync = StateSync(settings, training)
        self.roster = Roster(peer, settings, sync)
        self.stages = StageCalls(self.roster, settings, sync)
        self._history = History()
        self._recover(None)

    @property
    def version(self) -> int:
        """Optimizer steps that were applied."""
        return self._history.version

    def train_step(self, microbatches: Sequence[Microbatch], step: TrainStep) -> StepResult:
        """Forward, backward, one clipped optimizer step; skipped everywhere or nowhere.

        Raises:
            SwarmTimeout: a stage is missing, or the step fails, for longer than the settings' patience.
            NonRetriableError: a stage cannot do what the step asks.
        """
        if step.loss == "dpo" and step.reference_logps is None and not step.preference.reference_free:
            step = self._with_reference(microbatches, step)
        history = self._history
        if len(history.work) >= self._settings.backup_every:
            self.back_up()
        history.work.append(Work(microbatches, step))
        try:
            return self._catch_up()
        except BaseException:
            # The caller may go on with another step; this one was not made.
            del history.work[-1:]
            raise

    def score(self, microbatch: Microbatch, *, adapter: bool = True) -> Tensor:
        """Log probability of each label: float32 (rows, tokens), 0 where not supervised."""

        async def score() -> Tensor:
            found = await self.stages.score(microbatch, adapter=adapter)
            if found.shape != microbatch.labels.shape or found.dtype != torch.float32:
                raise RetriableError(
                    f"scores of {tuple(microbatch.labels.shape)} labels have another shape or type"
                )
            return found

        return self._with_recovery(score)

    def session(self, params: SamplingParams, *, max_length: int, adapter: str | None = None) -> SwarmSession:
        """Open a sequence of at most `max_length` tokens, with what the stages train.

        Raises:
            ConfigError: another `adapter` is asked for.
        """
        if adapter not in (None, ADAPTER):
            raise ConfigError(f"the stages hold no adapter {adapter!r}; ask for {ADAPTER!r}, or for none")
        return SwarmSession(self, params, max_length=max_length)

    def save(self, directory: Path) -> None:
        """Write all stages' trained weights and optimizer state below `directory`; same state, same bytes."""
        self.back_up()
        self.save_kept(directory)

    @property
    def steps_since_backup(self) -> int | None:
        """How many steps the state that is kept here is behind; None where none is kept."""
        return len(self._history.work) if self._history.cut.states else None

    def save_kept(self, directory: Path) -> None:
        """Write the state that is kept here as `save` would, whether or not the stages are there."""
        names = []
        for index, data in sorted(self._history.cut.states.items()):
            names.append(f"state-{index:03}.safetensors")
            write_state_bytes(directory / names[-1], data)
        for path in directory.glob(PATTERN):
            if path.name not in names:
                path.unlink()

    def stop_waiting(self) -> None:
        """Wait for lost stages no more: what needs one raises `StageLost`. For a signal handler too."""
        self.roster.stop_waiting()

    def load(self, directory: Path) -> None:
        """Give the stages what `save` wrote, whatever the number of stages was then.

        Raises:
            BadCheckpoint: a tensor is absent or of another shape, or there is no state.
        """
        with StateReader(directory) as reader:
            names = self._with_recovery(self.stages.names)
            states = {index: reader.part(stage) for index, stage in enumerate(names)}
            version = reader.version
        self.adopt(Cut(version, states))

    def adopt(self, cut: Cut) -> None:
        """Give the stages a state from elsewhere, such as an adapter that training starts from."""
        self._history.renew(cut)
        self._with_recovery(lambda: self.stages.load_cut(cut))

    def checkpoint(self, step: int, *, progress: str = "") -> dict[str, str]:
        """Have every stage host write and announce its shard of the weights as they are now.

        Args:
            step: of the run; the shards are named by it.
            progress: what the trainer remembers itself; it is kept in every shard.

        Returns the sha256 of each stage's shard, without the stages whose hosts could not write it.
        """
        return self._with_recovery(lambda: self.stages.checkpoint(step, self.version, progress))

    def back_up(self) -> Cut:
        """Fetch the state of every stage; from here on nothing older is needed after a loss."""
        history = self._history
        if history.done or not history.cut.states:
            states = self._with_recovery(lambda: self.stages.fetch_states(history.version))
            history.renew(Cut(history.version, states))
        return history.cut

    def close(self) -> None:
        """Leave the stages; they go on running."""
        self._peer.run(self.roster.close(), timeout=10.0)

    def run(self, call: Callable[[], Awaitable[T]]) -> T:
        """Run a coroutine on the peer's loop; each of its waits has a deadline of its own."""

        async def awaited() -> T:
            return await call()

        return self._peer.run(awaited(), timeout=None)

    def retry_budget(self) -> RetryBudget:
        """A count of failures, by which something is tried again or given up."""
        return RetryBudget(self._settings.patience)

    def recover(self, fault: RetriableError) -> None:
        """After a fault outside a step: bring all stages back to where they were."""
        self._recover(fault)
        self._catch_up()

    def _catch_up(self) -> StepResult:
        """Do what is not done of the work, through any number of losses; the result of the last step."""
        history, result, budget = self._history, StepResult(0.0, 0, 0.0), self.retry_budget()
        while history.done < len(history.work):
            try:
                self.run(self.roster.admit)
                result = self.run(lambda: self._attempt(history.work[history.done]))
            except RetriableError as fault:
                budget.spend(fault)
                self._recover(fault)
                continue
            history.record(result)
            budget = self.retry_budget()
        return result

    async def _attempt(self, work: Work) -> StepResult:
        settings = self._settings
        self.roster.reports.discard()
        attempt = StepAttempt(
            self.roster.route(),
            work,
            version=self._history.version,
            reports=self.roster.reports,
            in_flight=settings.in_flight or 2 * settings.num_stages,
            deadline=settings.deadline,
            transfer=settings.transfer,
        )
        return await attempt.run(max_grad_norm=self._max_grad_norm)

    def _with_recovery(self, call: Callable[[], Awaitable[T]]) -> T:
        budget = self.retry_budget()
        while True:
            try:
                return self.run(call)
            except RetriableError as fault:
                budget.spend(fault)
                self.recover(fault)

    def _recover(self, fault: RetriableError | None) -> None:
        """Bring every stage to the version of the last step that was done, or all of them to the cut."""
        if fault is not None:
            logger.warning("the swarm lost its step and goes back to version %d: %s", self.version, fault)
            self.on_recovery(str(fault))
        started = time.monotonic()
        history = self._history
        if not self.run(lambda: self.roster.recover(history.version, history.cut)):
            logger.warning("doing %d steps since version %d again", history.done, history.cut.version)
            history.restart()
        if fault is not None:
            logger.warning("the swarm is whole again after %.1f s", time.monotonic() - started)
            self.on_recovery(None)

    def _with_reference(self, microbatches: Sequence[Microbatch], step: TrainStep) -> TrainStep:
        scores = [self.score(each, adapter=False).sum(dim=1) for each in microbatches]
        return TrainStep(
            step.step, step.lr, step.seed, step.loss, step.preference, reference_logps=torch.cat(scores)
        )
