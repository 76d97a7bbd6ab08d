# SPDX-License-Identifier: Apache-2.0
"""The trainer: the step loop of one run, from its plan to its artefacts, resumed where it stopped."""

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from itertools import chain, islice
from pathlib import Path

from node0.errors import NonFiniteGradients, StageLost, SwarmTimeout
from node0.files import write_atomically
from node0.finetune.config import FineTuneConfig
from node0.finetune.jobs.job_states import JobState
from node0.finetune.run_dir import PIPELINE, RunDirectory
from node0.finetune.training.engines.cluster import refuse_mismatched_ranks
from node0.finetune.training.engines.placement import IN_PROCESS, Placement
from node0.finetune.training.engines.run_engine import Engine
from node0.finetune.training.evaluate import Validation, validate_pairs, validate_tokens
from node0.finetune.training.hooks import StepHook, report_end
from node0.finetune.training.interrupt import (
    Interrupt,
    telling_what_is_kept,
    watch_signals,
    what_is_kept,
)
from node0.finetune.training.output.checkpoint_writer import CheckpointWriter, NullCheckpointWriter
from node0.finetune.training.output.doubts import doubts
from node0.finetune.training.output.metrics import Metrics, StepRecord
from node0.finetune.training.output.past_steps import PastSteps
from node0.finetune.training.output.resume import (
    Resume,
    TrainerState,
    entries_begun_with,
    find_state,
    read_state,
    refuse_other_run,
    without_damaged_best,
)
from node0.finetune.training.output.run_lock import hold
from node0.finetune.training.output.run_result import RunResult, finished_result
from node0.finetune.training.plan.disk_estimate import telling_need
from node0.finetune.training.plan.run_place import refuse_misplaced
from node0.finetune.training.plan.run_plan import (
    RunPlan,
    make_plan,
    refuse_full_disk_of,
    refuse_oversize_plan,
)
from node0.finetune.training.reference import KeptScores, Reference, learn_reference, reference_model
from node0.finetune.training.schedule import Schedule
from node0.loglines import RESUME_TRIGGERED
from node0.models.device import one_order
from node0.pipeline.protocol import Microbatch, Preference, StepResult, TrainStep
from node0.pipeline.ranks import ALONE, Ranks
from node0.settings import Resolved

logger = logging.getLogger(__name__)

Watch = Callable[[StepRecord, int], None]
"Called with each record and the number of steps of the run."


def train(
    config: FineTuneConfig,
    sources: Mapping[str, str],
    *,
    progress: Watch | None = None,
    resume: Resume = "auto",
    stop_after: int | None = None,
) -> RunResult:
    """Train as `config` says and leave the artefacts in its run directory; a finished run stays as it is.

    Args:
        config: the run.
        sources: who set each setting, for `config.resolved.yaml`.
        progress: told about each step.
        resume: `auto` goes on where the run directory stands, `never` starts over, a path names a state.
        stop_after: save and return after this step, so that a later call can go on.

    Raises:
        RunInUse: another process trains in this directory.
        ConfigError: the run directory is that of something else.
        DoesNotFit: the run needs more memory, or more room on its disk, than is free.
        NonFiniteGradients: too many skipped steps in a row; the last state is kept.
        KeyboardInterrupt: interrupted; the state is saved.
    """
    with hold(config.checkpoint_dir):
        if (finished := finished_result(config.checkpoint_dir, resume)) is not None:
            return finished
        refuse_misplaced(config)
        plan = make_plan(config, frozen=entries_begun_with(config, resume))
        refuse_oversize_plan(plan)
        refuse_full_disk_of(plan)
        return run_plan(plan, sources, progress=progress, resume=resume, stop_after=stop_after)


def run_plan(
    plan: RunPlan,
    sources: Mapping[str, str],
    *,
    progress: Watch | None = None,
    resume: Resume = "auto",
    stop_after: int | None = None,
    hook: StepHook | None = None,
    placement: Placement = IN_PROCESS,
) -> RunResult:
    """`train`, from a plan that was checked. `hook` is told what the run does.

    Each of the ranks calls this with the same run directory; the one that leads writes it, and holds its
    lock (`run_lock.hold`) from before the plan was made.
    """
    hook = hook or StepHook()
    run, ranks = RunDirectory(plan.config.checkpoint_dir), placement.ranks
    with ExitStack() as stack:
        ranks.wait()
        found = find_state(run, resume)
        if found is not None:
            refuse_other_run(read_state(found).fingerprint, plan.fingerprint)
        if plan.config.deterministic:
            stack.enter_context(one_order())
        engine = stack.enter_context(placement.open(plan))
        engine.follow(hook)
        trainer = Trainer(plan, engine, stop_after=stop_after, hook=hook, ranks=ranks)
        with (
            report_end(hook, lambda: trainer.state.step),
            telling_need(run.root, plan.disk.total),
        ):
            trainer.begin(found)
            hook.started()
            if ranks.leads:
                write_atomically(run.config_file, Resolved(plan.config, dict(sources)).to_yaml())
            # From here on the run is one of these entries, whatever the corpus becomes.
            trainer.checkpoints.write_entries()
            watch = None if progress is None else lambda record: progress(record, plan.total_steps)
            with (
                _metrics(plan, ranks, watch) as metrics,
                watch_signals(lambda: trainer.state.step + 1, on_request=engine.stop_waiting) as interrupt,
                telling_what_is_kept(interrupt, run),
            ):
                finished = trainer.loop(metrics, interrupt)
            result = trainer.end(finished=finished)
            ranks.wait()
            return result


def _metrics(
    plan: RunPlan, ranks: Ranks, watch: Callable[[StepRecord], None] | None
) -> AbstractContextManager[Metrics | None]:
    if not ranks.leads:
        return nullcontext()
    return Metrics(RunDirectory(plan.config.checkpoint_dir), watch=watch, tensorboard=plan.config.tensorboard)


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
        self._past.note(self.state)
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
