# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of a run: shards of its weights, states to go on from, and which of them are kept."""

import shutil
from pathlib import Path

from node0.finetune.checkpoint.shard import save_shard
from node0.finetune.config import FineTuneConfig
from node0.finetune.training.artefacts import CHECKPOINTS_DIRECTORY, MANIFEST_NAME
from node0.finetune.training.engine import Engine
from node0.finetune.training.metrics import EVENTS_DIRECTORY, METRICS_NAME
from node0.finetune.training.resume import (
    PIPELINE_DIRECTORY,
    STATE_DIRECTORY,
    TrainerState,
    prune_steps,
    save_state,
    step_numbers,
)


class Keeper:
    """Writes and removes what `config.keep_last` and `config.keep_best` ask for."""

    def __init__(self, config: FineTuneConfig, engine: Engine) -> None:
        self.config, self.engine = config, engine
        self.run_dir = config.checkpoint_dir
        self.shards = self.run_dir / CHECKPOINTS_DIRECTORY
        self._saved_step: int | None = None

    def save(self, state: TrainerState) -> None:
        """Write weights and state of `state.step`, once, and drop what is too old and not the best."""
        if self._saved_step == state.step:
            return
        for stage, name in zip(self.engine.stages, self.engine.stage_names, strict=True):
            save_shard(stage, self.shards, name, state.step)
        save_state(self.run_dir, state, self.engine.pipeline)
        self._saved_step = state.step
        best = state.best_step if self.config.keep_best else None
        for directory in (self.shards, self.run_dir / STATE_DIRECTORY):
            others = [step for step in step_numbers(directory) if step != best]
            prune_steps(directory, keep=[best, *others[-self.config.keep_last :]])

    def forget_after(self, step: int) -> None:
        """Remove checkpoints of steps that will be done again."""
        for directory in (self.shards, self.run_dir / STATE_DIRECTORY):
            prune_steps(directory, keep=[known for known in step_numbers(directory) if known <= step])

    def restore_weights(self, step: int) -> None:
        """Put the weights of a kept step into the stages, whatever the split was then."""
        self.engine.pipeline.load(self.run_dir / STATE_DIRECTORY / f"step_{step}" / PIPELINE_DIRECTORY)


def clear(run_dir: Path) -> None:
    """Remove what an earlier run in this directory would be resumed or judged by."""
    for name in (STATE_DIRECTORY, CHECKPOINTS_DIRECTORY, EVENTS_DIRECTORY):
        shutil.rmtree(run_dir / name, ignore_errors=True)
    for name in (METRICS_NAME, MANIFEST_NAME):
        (run_dir / name).unlink(missing_ok=True)
