# SPDX-License-Identifier: Apache-2.0
"""What a run writes into its directory besides its metrics, on the one process that writes."""

import shutil

from node0.finetune.checkpoint.shard import save_shard
from node0.finetune.training.engines.engine import Engine
from node0.finetune.training.output import metrics
from node0.finetune.training.output.artefacts import CHECKPOINTS_DIRECTORY, MANIFEST_NAME, write_entries
from node0.finetune.training.output.finish import draw, export
from node0.finetune.training.output.resume import (
    PIPELINE_DIRECTORY,
    STATE_DIRECTORY,
    TRAINER_FILE,
    TrainerState,
    prune_steps,
    save_state,
    step_numbers,
)
from node0.finetune.training.plan.run_plan import RunPlan


class Keeper:
    """Checkpoints (as many as `keep_last` and `keep_best` ask for), and what is left at the end."""

    def __init__(self, plan: RunPlan, engine: Engine) -> None:
        self.plan, self.config, self.engine = plan, plan.config, engine
        self.run_dir = plan.config.checkpoint_dir
        self.shards = self.run_dir / CHECKPOINTS_DIRECTORY
        self._saved_step: int | None = None

    def clear(self) -> None:
        """Remove what an earlier run in this directory would be resumed or judged by."""
        for name in (STATE_DIRECTORY, CHECKPOINTS_DIRECTORY, metrics.EVENTS_DIRECTORY):
            shutil.rmtree(self.run_dir / name, ignore_errors=True)
        for name in (metrics.METRICS_NAME, MANIFEST_NAME):
            (self.run_dir / name).unlink(missing_ok=True)

    def save(self, state: TrainerState) -> None:
        """Write weights and state of `state.step`, once, and drop what is too old and not the best."""
        if self._saved_step == state.step:
            return
        self.engine.refresh()
        for stage, name in zip(self.engine.stages, self.engine.stage_names, strict=True):
            save_shard(stage, self.shards, name, state.step)
        saved = save_state(self.run_dir, state, self.engine.pipeline)
        self.engine.spread(state.step, (saved / TRAINER_FILE).read_text(encoding="utf-8"))
        self._saved_step = state.step
        best = state.best_step if self.config.keep_best else None
        for directory in (self.shards, self.run_dir / STATE_DIRECTORY):
            others = [step for step in step_numbers(directory) if step != best]
            prune_steps(directory, keep=[best, *others[-self.config.keep_last :]])
        self._write_entries()

    def forget_after(self, step: int) -> None:
        """Remove metrics and checkpoints of steps that will be done again."""
        metrics.forget_after(self.run_dir, step)
        for directory in (self.shards, self.run_dir / STATE_DIRECTORY):
            prune_steps(directory, keep=[known for known in step_numbers(directory) if known <= step])
        # From here on the directory is no longer the finished run that its manifest names.
        (self.run_dir / MANIFEST_NAME).unlink(missing_ok=True)

    def restore_weights(self, step: int) -> None:
        """Put the weights of a kept step into the stages, whatever the split was then."""
        self.engine.pipeline.load(self.run_dir / STATE_DIRECTORY / f"step_{step}" / PIPELINE_DIRECTORY)

    def draw(self) -> None:
        """Draw the loss so far."""
        draw(self.plan, self.run_dir)

    def stop(self) -> None:
        """Leave the directory of a run that will go on."""
        self._write_entries()
        self.draw()

    def finish(self, state: TrainerState, *, best: int, val_loss: float | None) -> None:
        """Export the weights of step `best` and everything that belongs to them."""
        self._write_entries()
        if best != state.step:
            self.restore_weights(best)
        self.engine.refresh()
        export(self.plan, self.engine, state, exported_step=best, val_loss=val_loss)

    def _write_entries(self) -> None:
        write_entries(self.run_dir, self.plan.data.entries, self.plan.data.steps.seen())


class Onlooker(Keeper):
    """The keeper of a process that leaves all writing to another one."""

    def clear(self) -> None:
        """Nothing."""

    def save(self, state: TrainerState) -> None:
        """Nothing."""

    def forget_after(self, step: int) -> None:
        """Nothing."""

    def draw(self) -> None:
        """Nothing."""

    def stop(self) -> None:
        """Nothing."""

    def finish(self, state: TrainerState, *, best: int, val_loss: float | None) -> None:
        """Nothing."""
