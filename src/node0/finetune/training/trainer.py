# SPDX-License-Identifier: Apache-2.0
"""The trainer: the step loop of one run, from where it stands to its artefacts."""

import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path

from node0.errors import NonFiniteGradients, StageLost, SwarmTimeout
from node0.finetune.jobs.job_states import JobState
from node0.finetune.run_dir import PIPELINE, RunDirectory
from node0.finetune.training.engines.cluster import refuse_mismatched_ranks
from node0.finetune.training.engines.run_engine import Engine
from node0.finetune.training.evaluate import Validation, validate_pairs, validate_tokens
from node0.finetune.training.hooks import StepHook
from node0.finetune.training.interrupt import Interrupt, what_is_kept
from node0.finetune.training.output.checkpoint_writer import CheckpointWriter, NullCheckpointWriter
from node0.finetune.training.output.doubts import doubts
from node0.finetune.training.output.metrics import Metrics, StepRecord
from node0.finetune.training.output.past_steps import PastSteps
from node0.finetune.training.output.resume import TrainerState, read_state, without_damaged_best
from node0.finetune.training.output.run_result import RunResult
from node0.finetune.training.plan.run_plan import RunPlan
from node0.finetune.training.reference import KeptScores, Reference, learn_reference, reference_model
from node0.finetune.training.schedule import Schedule
from node0.loglines import RESUME_TRIGGERED
from node0.pipeline.protocol import Microbatch, Preference, StepResult, TrainStep
from node0.pipeline.ranks import ALONE, Ranks

logger = logging.getLogger(__name__)


class Trainer:
    """Holds what changes during a run: the weights behind `engine`, and `state`."""

    def __init__(
        self,
        plan: RunPlan,
        engine: Engine,
        *,
        stop_after: int | None = None,
        hook: StepHook | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        config = plan.config
        self.plan, self.engine, self.stop_after, self.ranks = plan, engine, stop_after, ranks
        self.hook = hook or StepHook()
        self.run = RunDirectory(config.checkpoint_dir)
        writer = CheckpointWriter if ranks.leads else NullCheckpointWriter
        self.checkpoints = writer(plan, engine)
        self.schedule = Schedule(config.lr, config.num_warmup_steps or 0, plan.total_steps, config.scheduler)
        self.preference = Preference(config.dpo_beta, config.reference_free)
        self.reference: Reference | None = None
        self.state = TrainerState(fingerprint=plan.fingerprint)
        self._saved_at, self._past = time.monotonic(), PastSteps()

    def begin(self, found: Path | None) -> None:
        """Start anew, or go to the state in `found`."""
        if found is not None:
            self.state = read_state(found)
        refuse_mismatched_ranks(self.ranks, self.plan, self.state.step)
        if self.plan.config.mode == "dpo" and not self.preference.reference_free:
            self.reference = self._learn_reference()
        if found is None:
            self.checkpoints.clear()
            return
        if found.resolve().parent != self.run.training_state.resolve():
            # A run that branches off another one has none of its checkpoints.
            self.checkpoints.clear()
            self.state = self.state.without_best()
        self.state = without_damaged_best(self.run, self.state)
        self.hook.entered(JobState.SYNCING, f"resuming at step {self.state.step}")
        self.engine.pipeline.load(found / PIPELINE)
        self.plan.data.steps.restore(self.state.data)
        self.checkpoints.discard_after(self.state.step)
        logger.info(RESUME_TRIGGERED.write(self.state.step))

    def loop(self, metrics: Metrics | None, interrupt: Interrupt) -> bool:
        """Train until the last step, early stopping or a stop; whether the run is finished.

        Raises `KeyboardInterrupt`, with the step saved, when `interrupt` was requested during it, on
        any rank. Where stages are lost, what was last fetched from them is saved.
        """
        try:
            return self._loop(metrics, interrupt)
        except SwarmTimeout as fault:
            self.checkpoints.save_kept(self.state.step, self._past)
            logger.warning("left after step %d: %s; %s", self.state.step, fault, what_is_kept(self.run))
            if isinstance(fault, StageLost):
                raise KeyboardInterrupt from None
            raise

    def _loop(self, metrics: Metrics | None, interrupt: Interrupt) -> bool:
        self.hook.entered(JobState.TRAINING, f"from step {self.state.step} to {self.plan.total_steps}")
        if self.state.step == 0 and self.plan.data.held_out:
            _write(metrics, StepRecord(step=0).validated(self._validate()))
        while self.state.step < self.plan.total_steps and not self._is_stale():
            self._one_step(metrics)
            if any(self.ranks.gather(interrupt.requested)):
                self._save()
                self.checkpoints.draw()
                logger.warning("saved step %d; run again to go on", self.state.step)
                raise KeyboardInterrupt
            if self._is_save_due():
                self._save()
            if self.state.step == self.stop_after:
                self._save()
                return self.state.step >= self.plan.total_steps
        return True

    def end(self, *, finished: bool) -> RunResult:
        """Export the best weights, or say where the run stopped."""
        state, config = without_damaged_best(self.run, self.state), self.plan.config
        last = state.step
        best = state.best_step if config.keep_best and state.best_step is not None else last
        loss = state.best_val_loss if best == state.best_step else state.last_val_loss
        if finished:
            self.checkpoints.finish(state, best=best, val_loss=loss)
            self.hook.entered(JobState.DONE, f"{last} steps; the weights of step {best} are exported")
        else:
            self.checkpoints.stop()
            self.hook.entered(JobState.READY, f"stopped at step {last}")
        found = doubts(self.run.metrics(), peak=config.lr) if finished and self.ranks.leads else []
        return RunResult(self.run.root, best, loss, last, finished=finished, doubts=tuple(found))

    def _one_step(self, metrics: Metrics | None) -> None:
        started = time.monotonic()
        self.state.data = self.plan.data.steps.state()
        self._past.note(self.state, behind=self.engine.steps_since_backup)
        microbatches = next(self.plan.data.steps)
        step = self._step(microbatches)
        result = self.engine.pipeline.train_step(microbatches, step)
        self.state.step += 1
        tokens = sum(map(real_tokens, microbatches))
        self.state.tokens += tokens
        seconds = time.monotonic() - started
        is_last = self.state.step == self.plan.total_steps
        validation = self._validate_if_due(is_last=is_last)
        record = StepRecord(
            step=self.state.step,
            loss=_finite(result.loss_sum / max(1, result.n_tokens)),
            lr=step.lr,
            grad_norm=_finite(result.grad_norm),
            n_tokens=result.n_tokens,
            tokens=tokens,
            tokens_per_second=round(tokens / max(seconds, 1e-9), 1),
            skipped=result.skipped,
        )
        _write(metrics, record if validation is None else record.validated(validation))
        self._count_skips(result)
        is_best = self.state.best_step == self.state.step and self.plan.config.keep_best
        is_due = self.state.step % self.plan.config.checkpoint_every_n_steps == 0
        if is_last or is_best or is_due or self._is_stale():
            self._save()

    def _step(self, microbatches: list[Microbatch]) -> TrainStep:
        config, reference = self.plan.config, self.reference
        return TrainStep(
            step=self.state.step,
            lr=self.schedule.lr(self.state.step),
            seed=config.seed,
            loss="dpo" if config.mode == "dpo" else "sft",
            preference=self.preference,
            reference_logps=None if reference is None else reference.logps(microbatches),
        )

    def _count_skips(self, result: StepResult) -> None:
        state, most = self.state, self.plan.config.max_skipped_steps
        state.skipped_in_a_row = state.skipped_in_a_row + 1 if result.skipped else 0
        if not result.skipped:
            self.hook.entered(JobState.TRAINING, "a step was made again")
            return
        self.hook.entered(
            JobState.DEGRADED, f"step {state.step} was skipped: its loss or gradients are not finite"
        )
        logger.warning("skipped %d of at most %d steps in a row", state.skipped_in_a_row, most)
        if state.skipped_in_a_row < most:
            return
        # The weights are those of the last good step; what is saved can be used and resumed.
        state.skipped_in_a_row = 0
        self._save()
        raise NonFiniteGradients(
            f"{most} steps in a row were not finite up to step {state.step}; the weights before them are "
            f"saved in {self.run.root}; lower lr (now {self.plan.config.lr:g}) or look at the data"
        )

    def _validate_if_due(self, *, is_last: bool) -> Validation | None:
        config, state = self.plan.config, self.state
        if not self.plan.data.held_out or not (is_last or state.step % config.eval_every_n_steps == 0):
            return None
        validation = self._validate()
        state.last_val_loss = loss = validation.loss
        if state.best_val_loss is None or loss < state.best_val_loss:
            state.best_step, state.best_val_loss, state.stale_evaluations = state.step, loss, 0
        else:
            state.stale_evaluations += 1
        return validation

    def _validate(self) -> Validation:
        pipeline, held_out, ranks = self.engine.pipeline, self.plan.data.held_out, self.ranks
        with self._phase(JobState.EVALUATING):
            if self.plan.config.mode != "dpo":
                return validate_tokens(pipeline, held_out, ranks=ranks)
            return validate_pairs(
                pipeline, held_out, preference=self.preference, reference=self.reference, ranks=ranks
            )

    def _is_stale(self) -> bool:
        patience = self.plan.config.early_stopping_patience
        return patience is not None and self.state.stale_evaluations >= patience

    def _learn_reference(self) -> Reference:
        """Before any weight moves: the scores of every pair that the run will meet."""
        config, data = self.plan.config, self.plan.data
        first = islice(data.steps.epoch(), self.plan.total_steps * config.microbatches_per_step)
        return learn_reference(
            self.engine.pipeline,
            chain(first, data.held_out),
            KeptScores(self.run.reference_file, reference_model(self.plan)),
            # Without a fresh adapter to switch off, the reference is the model itself as it starts.
            adapter=config.lora is None or config.init_adapter is not None,
            ranks=self.ranks,
        )

    def _is_save_due(self) -> bool:
        """Whether time enough has passed since the last checkpoint on any rank: all save, or none."""
        minutes = self.plan.config.checkpoint_every_minutes
        if minutes is None:
            return False
        return any(self.ranks.gather(time.monotonic() - self._saved_at >= 60 * minutes))

    def _save(self) -> None:
        self._saved_at = time.monotonic()
        self.state.data = self.plan.data.steps.state()
        with self._phase(JobState.CHECKPOINTING):
            self.checkpoints.save(self.state)
            self._past.forget()
            self.ranks.wait()

    @contextmanager
    def _phase(self, phase: JobState) -> Iterator[None]:
        at = f"step {self.state.step}"
        self.hook.entered(phase, at)
        yield
        self.hook.entered(JobState.TRAINING, at)


def real_tokens(microbatch: Microbatch) -> int:
    """Tokens of documents of two or more; padding repeats position 0."""
    positions = microbatch.positions
    return int((positions > 0).sum() + (positions == 1).sum())


def _write(metrics: Metrics | None, record: StepRecord) -> None:
    if metrics is not None:
        metrics.write(record)


def _finite(value: float) -> float | None:
    # JSON has no infinity.
    return value if math.isfinite(value) else None
