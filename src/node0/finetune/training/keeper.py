# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of a run: shards of its weights, states to go on from, and which of them are kept."""

import shutil
from pathlib import Path

from node0.finetune.checkpoint.shard import restore_shard, save_shard
from node0.finetune.config import FineTuneConfig
from node0.finetune.training.artefacts import CHECKPOINTS_DIRECTORY, MANIFEST_NAME
from node0.finetune.training.engine import Engine
from node0.finetune.training.metrics import EVENTS_DIRECTORY, METRICS_NAME
from node0.finetune.training.resume import (
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
        """Write weights and state of `state.step`."""
        self.save_weights(state)
        save_state(self.run_dir, state, self.engine.pipeline, keep_last=self.config.keep_last)

    def save_weights(self, state: TrainerState) -> None:
        """Write each stage's weights once a step, and drop what is too old and not the best."""
        if self._saved_step != state.step:
            for stage, name in zip(self.engine.stages, self.engine.stage_names, strict=True):
                save_shard(stage, self.shards, name, state.step)
            self._saved_step = state.step
        best = [state.best_step] if self.config.keep_best and state.best_step is not None else []
        last = [step for step in step_numbers(self.shards) if step not in best or step == state.step]
        prune_steps(self.shards, keep=[*last[-self.config.keep_last :], *best])

    def restore_weights(self, step: int) -> None:
        """Put the weights of a kept step into the stages."""
        for stage, name in zip(self.engine.stages, self.engine.stage_names, strict=True):
            restore_shard(stage, self.shards, name, step)


def clear(run_dir: Path) -> None:
    """Remove what an earlier run in this directory would be resumed or judged by."""
    for name in (STATE_DIRECTORY, CHECKPOINTS_DIRECTORY, EVENTS_DIRECTORY):
        shutil.rmtree(run_dir / name, ignore_errors=True)
    for name in (METRICS_NAME, MANIFEST_NAME):
        (run_dir / name).unlink(missing_ok=True)
