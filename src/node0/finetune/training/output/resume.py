# SPDX-License-Identifier: Apache-2.0
"""Save and find the training state that a run resumes from, to the same bytes.

`training_state/step_N` holds the trained weights and optimizer (written by the pipeline), `trainer.json`, and
the digests of all of these, by which a state is compared before it is used. Dropout and data order are
functions of (seed, step), and the learning rate of the step: together they are the state of every random
generator and of the schedule.
"""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from node0.directory_digests import DIGESTS, damage, write_digests
from node0.errors import BadCheckpoint, ConfigError, NotFound
from node0.files import make_directory, whole_directory, write_atomically
from node0.finetune.config import FineTuneConfig
from node0.finetune.data.frozen import read_list
from node0.finetune.run_dir import PIPELINE, TRAINER, EntryUse, RunDirectory
from node0.step_directories import step_numbers

logger = logging.getLogger(__name__)

Resume = Literal["auto", "never"] | Path

CHOOSING = ("mode", "role", "dataset", "select", "val_split")
"Settings by which entries are chosen and parted."


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


def find_state(run: RunDirectory, resume: Resume) -> Path | None:
    """The newest state that is as it was written, to go on from; None starts anew.

    Raises:
        NotFound: `resume` names a directory that holds no state.
        BadCheckpoint: `resume` names a state that has changed, or of a run's states none is whole.
    """
    if resume == "never":
        return None
    if isinstance(resume, Path):
        if _is_state(resume):
            refuse_damaged(resume)
            return resume
        found = newest_whole_state(RunDirectory(resume))
        if found is None:
            raise NotFound(f"no training state in {resume}; give a run directory or --resume auto")
        return found
    return newest_whole_state(run)


def newest_whole_state(run: RunDirectory) -> Path | None:
    """The newest state that is as it was written; newer ones that are not are told. None without any state.

    Raises:
        BadCheckpoint: there are states, and none is whole.
    """
    steps = step_numbers(run.training_state)
    found = ""
    for step in reversed(steps):
        if (reason := damage(run.state(step))) is None:
            return run.state(step)
        found = found or f"step {step}: {reason}"
        logger.warning("passes over the training state of step %d: %s", step, reason)
    if steps:
        raise BadCheckpoint(
            f"no training state in {run.training_state} is whole ({found}); restore one, or start over with "
            "--resume never"
        )
    return None


def refuse_damaged(state: Path) -> None:
    """Refuse a state that is not as it was written.

    Raises:
        BadCheckpoint: a file of it is missing or another.
    """
    if (reason := damage(state)) is not None:
        raise BadCheckpoint(f"training state {state} is damaged: {reason}; name another step, or its run")


def without_damaged_best(run: RunDirectory, state: TrainerState) -> TrainerState:
    """The trainer's state, without its best step where what was kept of that step has changed, and told."""
    best = state.best_step
    if best is None or best == state.step or (reason := damage(run.state(best))) is None:
        return state
    logger.warning("the weights of the best step, %d, are damaged and not used: %s", best, reason)
    return state.model_copy(update={"best_step": None, "best_val_loss": None})


def save_state(run: RunDirectory, state: TrainerState, write: Callable[[Path], None]) -> Path:
    """Write the state of `state.step`, whole or not at all; `write` puts the pipeline's into a directory."""
    directory = run.state(state.step)
    with whole_directory(directory) as beside:
        make_directory(beside / PIPELINE)
        write(beside / PIPELINE)
        write_atomically(beside / TRAINER, json.dumps(state.model_dump(mode="json"), indent=1) + "\n")
        write_digests(beside)
    return directory


def read_state(directory: Path) -> TrainerState:
    """The trainer's part of a state.

    Raises `BadCheckpoint` when it cannot be read.
    """
    path = directory / TRAINER
    try:
        return TrainerState.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise BadCheckpoint(f"cannot read training state {path}: {reason}; use an older step") from None


def entries_begun_with(config: FineTuneConfig, resume: Resume) -> list[EntryUse] | None:
    """The list of the run that is gone on with; None where none is, or where nothing of it is kept.

    Raises:
        ConfigError: entries would be chosen by other settings than those that the run was begun with.
        BadCorpus: the list cannot be read.
    """
    if resume == "never":
        return None
    run = RunDirectory(config.checkpoint_dir if resume == "auto" else _run_of(resume))
    if not run.entries_file.is_file():
        return None
    mine, begun = config.model_dump(mode="json"), run.settings()
    before = {name: begun.get(name, mine[name]) for name in CHOOSING}
    if run.newest_state() is not None:
        refuse_other_run(before, {name: mine[name] for name in CHOOSING})
    elif any(before[name] != mine[name] for name in CHOOSING):
        return None
    return read_list(run.root)


def _run_of(resume: Path) -> Path:
    """The run of a state, or the run itself."""
    return resume.resolve().parent.parent if _is_state(resume) else resume


def _is_state(path: Path) -> bool:
    """Whether it is a state, whole or not, rather than a run."""
    return any((path / name).exists() for name in (TRAINER, PIPELINE, DIGESTS))


def refuse_other_run(saved: dict[str, Any], mine: dict[str, Any]) -> None:
    """Raise `ConfigError` when a setting that the state depends on has changed."""
    for name, value in mine.items():
        if saved.get(name) != value:
            raise ConfigError(
                f"cannot resume: {name} was {saved.get(name)!r} and is {value!r}; "
                "restore it, start over with --resume never, or give another --checkpoint-dir"
            )
