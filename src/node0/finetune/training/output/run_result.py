# SPDX-License-Identifier: Apache-2.0
"""What a run left behind, at its end or found in the directory of a run that has ended."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node0.finetune.config import FineTuneConfig
from node0.finetune.run_dir import RunDirectory
from node0.finetune.training.output.doubts import doubts
from node0.finetune.training.output.resume import Resume
from node0.settings import DEFAULT, Resolved, leaves

WHERE = ("checkpoint_dir",)
"Settings that say where a run is, not what it does."

PLACES = ("base_model", "corpus_path", "init_adapter", "profile", "tokenizer")
"Settings that may be spelled in several ways and mean one directory."


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run left behind."""

    run_dir: Path
    best_step: int
    "The step whose weights lie in the run directory."

    val_loss: float | None
    "Validation loss of those weights."

    steps: int
    "Optimizer steps done."

    finished: bool = True
    "False after `stop_after`: the weights are not exported yet."

    doubts: tuple[str, ...] = ()
    "Why a finished run has probably learned nothing; see `doubts`."


def finished_result(run_dir: Path, resume: Resume) -> RunResult | None:
    """What the finished run in a directory left; None where there is none, or where it is to start over.

    Raises:
        BadCheckpoint: its records cannot be read.
    """
    run = RunDirectory(run_dir)
    if resume != "auto" or not run.is_finished:
        return None
    records, step = run.metrics(), int(run.read_manifest().get("step", 0))
    measured = {record["step"]: record["val_loss"] for record in records if "val_loss" in record}
    steps = max((record["step"] for record in records), default=step)
    found = doubts(records, peak=float(run.settings().get("lr", 0.0)))
    return RunResult(run_dir, step, measured.get(step), steps, doubts=tuple(found))


def unused_settings(run_dir: Path, resolved: Resolved[FineTuneConfig]) -> dict[str, Any]:
    """Settings that somebody gave and that the run in a directory was not trained with, by name.

    Raises:
        ConfigError: the settings of the run cannot be read.
    """
    trained = dict(leaves(RunDirectory(run_dir).require_settings()))
    given = {row["setting"]: row["value"] for row in resolved.rows() if row["from"] != DEFAULT}
    return {
        name: value
        for name, value in given.items()
        if name not in WHERE and not _same(name, value, trained.get(name))
    }


def next_run_directory(run_dir: Path) -> Path:
    """A directory beside it that is not there yet: `deacon-2`, `deacon-3`, ..."""
    number = 2
    while (place := run_dir.with_name(f"{run_dir.name}-{number}")).exists():
        number += 1
    return place


def _same(name: str, given: object, trained: object) -> bool:
    if name in PLACES and isinstance(given, str) and isinstance(trained, str):
        return given == trained or Path(given).resolve() == Path(trained).resolve()
    return given == trained
