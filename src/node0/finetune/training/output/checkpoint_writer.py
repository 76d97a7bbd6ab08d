# SPDX-License-Identifier: Apache-2.0
"""The checkpoint writer: what a run saves in its directory, on the one rank that writes."""

from node0.finetune.checkpoint.shard import save_shard
from node0.finetune.run_dir import PIPELINE, TRAINER, RunDirectory
from node0.finetune.training.engines.run_engine import Engine
from node0.finetune.training.output.finish import draw, export
from node0.finetune.training.output.past_steps import PastSteps
from node0.finetune.training.output.resume import TrainerState, refuse_damaged, save_state
from node0.finetune.training.plan.run_plan import RunPlan


class CheckpointWriter:
    """Writes checkpoints (as many as `keep_last` and `keep_best` ask for), and what is left at the end."""

    def __init__(self, plan: RunPlan, engine: Engine) -> None:
        self.plan, self.config, self.engine = plan, plan.config, engine
        self.run = RunDirectory(plan.config.checkpoint_dir)
        self._saved_step: int | None = None

    def clear(self) -> None:
        """Remove what an earlier run in this directory would be resumed or judged by."""
        self.run.clear()

    def save(self, state: TrainerState) -> None:
        """Write weights and state of `state.step`, once, and drop what is too old and not the best."""
        if self._saved_step == state.step:
            return
        self.engine.refresh()
        for stage, name in zip(self.engine.stages, self.engine.stage_names, strict=True):
            save_shard(stage, self.run.checkpoints, name, state.step)
        saved = save_state(self.run, state, self.engine.pipeline.save)
        self.engine.spread(state.step, (saved / TRAINER).read_text(encoding="utf-8"))
        self._saved_step = state.step
        self.run.keep_checkpoints(state.best_step if self.config.keep_best else None, self.config.keep_last)
        self.write_entries()

    def save_kept(self, step: int, past: PastSteps) -> None:
        """Write the last state before `step` that was fetched from stages which are lost now, if any was."""
        behind = self.engine.steps_since_backup
        state = None if behind is None else past.at(step - behind)
        if state is not None:
            save_state(self.run, state, self.engine.save_kept)

    def discard_after(self, step: int) -> None:
        """Remove metrics and checkpoints of steps that will be done again."""
        self.run.discard_after(step)

    def restore_weights(self, step: int) -> None:
        """Put the weights of a kept step into the stages, whatever the split was then.

        Raises:
            BadCheckpoint: they are not as they were written.
        """
        refuse_damaged(self.run.state(step))
        self.engine.pipeline.load(self.run.state(step) / PIPELINE)

    def draw(self) -> None:
        """Draw the loss so far."""
        draw(self.plan, self.run)

    def stop(self) -> None:
        """Leave the directory of a run that will go on."""
        self.write_entries()
        self.draw()

    def finish(self, state: TrainerState, *, best: int, val_loss: float | None) -> None:
        """Export the weights of step `best` and everything that belongs to them."""
        self.write_entries()
        if best != state.step:
            self.restore_weights(best)
        self.engine.refresh()
        export(self.plan, self.engine, state, exported_step=best, val_loss=val_loss)

    def write_entries(self) -> None:
        """List the entries of the run, and how often each was seen so far."""
        self.run.write_entries(self.plan.data.entries, self.plan.data.steps.seen())


class NullCheckpointWriter(CheckpointWriter):
    """Writes nothing: another process of the run does."""

    def write_entries(self) -> None:
        """Nothing."""

    def clear(self) -> None:
        """Nothing."""

    def save(self, state: TrainerState) -> None:
        """Nothing."""

    def save_kept(self, step: int, past: PastSteps) -> None:
        """Nothing."""

    def discard_after(self, step: int) -> None:
        """Nothing."""

    def draw(self) -> None:
        """Nothing."""

    def stop(self) -> None:
        """Nothing."""

    def finish(self, state: TrainerState, *, best: int, val_loss: float | None) -> None:
        """Nothing."""
