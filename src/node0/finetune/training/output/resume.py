# SPDX-License-Identifier: Apache-2.0
"""Where a run stands, so that it can go on exactly.

`training_state/step_N` holds the trained weights and optimizer (written by the pipeline) and
`trainer.json`. Dropout and data order are functions of (seed, step), and the learning rate of the
step: together they are the state of every random generator and of the schedule.
"""

import json
import re
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from node0.errors import BadCheckpoint, ConfigError, NotFound
from node0.files import write_atomically
from node0.finetune.checkpoint.assembler import PIPELINE_DIRECTORY as PIPELINE_DIRECTORY
from node0.finetune.checkpoint.assembler import TRAINER_FILE as TRAINER_FILE
from node0.finetune.training.output.files import write_directory
from node0.pipeline.protocol import Pipeline

STATE_DIRECTORY = "training_state"
STEP_DIRECTORY = re.compile(r"^step_(\d+)$")

Resume = Literal["auto", "never"] | Path


class TrainerState(BaseModel):
    """Everything that the trainer itself remembers."""

    model_config = ConfigDict(extra="forbid")

    format: Literal[1] = 1
    step: int = 0
    "Optimizer steps done."

    best_step: int | None = None
    best_val_loss: float | None = None
    last_val_loss: float | None = None
    stale_evaluations: int = 0
    "Validations since the best one."

    skipped_in_a_row: int = 0
    tokens: int = 0
    "Tokens that have passed the model."

    data: dict[str, Any] = Field(default_factory=dict)
    "Position in the data."

    fingerprint: dict[str, Any] = Field(default_factory=dict)
    "What a resumed run must share with this one."

    def without_best(self) -> "TrainerState":
        """The same state, as if no validation had been made."""
        nothing = {"best_step": None, "best_val_loss": None, "last_val_loss": None, "stale_evaluations": 0}
        return self.model_copy(update=nothing)


def find_state(run_dir: Path, resume: Resume) -> Path | None:
    """The state to go on from; None starts anew.

    Raises `NotFound` when `resume` names a directory that holds no state.
    """
    if resume == "never":
        return None
    if isinstance(resume, Path):
        found = resume if (resume / TRAINER_FILE).is_file() else _newest(resume / STATE_DIRECTORY)
        if found is None:
            raise NotFound(f"no training state in {resume}; give a run directory or --resume auto")
        return found
    return _newest(run_dir / STATE_DIRECTORY)


def save_state(run_dir: Path, state: TrainerState, pipeline: Pipeline) -> Path:
    """Write the state of `state.step`, whole or not at all."""
    directory = run_dir / STATE_DIRECTORY / f"step_{state.step}"

    def fill(beside: Path) -> None:
        (beside / PIPELINE_DIRECTORY).mkdir()
        pipeline.save(beside / PIPELINE_DIRECTORY)
        write_atomically(beside / TRAINER_FILE, json.dumps(state.model_dump(mode="json"), indent=1) + "\n")

    write_directory(directory, fill)
    return directory


def read_state(directory: Path) -> TrainerState:
    """The trainer's part of a state.

    Raises `BadCheckpoint` when it cannot be read.
    """
    path = directory / TRAINER_FILE
    try:
        return TrainerState.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise BadCheckpoint(f"cannot read training state {path}: {reason}; use an older step") from None


def refuse_other_run(saved: dict[str, Any], mine: dict[str, Any]) -> None:
    """Raise `ConfigError` when a setting that the state depends on has changed."""
    for name, value in mine.items():
        if saved.get(name) != value:
            raise ConfigError(
                f"cannot resume: {name} was {saved.get(name)!r} and is {value!r}; "
                "restore it, start over with --resume never, or give another --checkpoint-dir"
            )


def step_numbers(directory: Path) -> list[int]:
    """Steps that have a `step_N` directory, ascending."""
    if not directory.is_dir():
        return []
    matches = [STEP_DIRECTORY.match(path.name) for path in directory.iterdir() if path.is_dir()]
    return sorted(int(match.group(1)) for match in matches if match is not None)


def prune_steps(directory: Path, *, keep: Collection[int | None]) -> None:
    """Remove every `step_N` directory whose number is not kept."""
    for step in step_numbers(directory):
        if step not in keep:
            shutil.rmtree(directory / f"step_{step}")


def _newest(directory: Path) -> Path | None:
    steps = step_numbers(directory)
    return directory / f"step_{steps[-1]}" if steps else None
