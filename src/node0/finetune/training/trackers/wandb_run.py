# SPDX-License-Identifier: Apache-2.0
"""A run at Weights & Biases, by its own library: WANDB_MODE, WANDB_PROJECT and its other variables hold.

The library would also send the host, the command line, the program's path and its repository, the installed
packages, the console and the machine's load. All of that is turned off: what is sent is what this project
names. Steps are a figure of their own, so that steps which are done again after a resume take their place.
"""

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from node0.finetune.training.trackers.tracker import End, TrackedRun

NAME = "wandb"
PROJECT = "gastown-finetune"
"Where neither the run nor the environment names one."

STEP = "step"
EXIT_CODES: Mapping[End, int] = {"finished": 0, "interrupted": 130, "failed": 1}


class WandbRun:
    """One run there; the same one again after a resume."""

    def __init__(self, told: TrackedRun) -> None:
        import wandb  # an optional package

        run_id = told.known_as(NAME) or uuid.uuid4().hex[:8]
        told.remember(NAME, run_id)
        self._run: Any = wandb.init(
            id=run_id,
            resume="allow",
            name=told.name,
            project=told.project or wandb.setup().settings.project or PROJECT,
            dir=str(told.directory),
            settings=_silent(),
        )
        self._run.config.update(dict(told.settings), allow_val_change=True)
        self._run.define_metric("*", step_metric=STEP)
        self.place = str(self._run.url or Path(self._run.dir).parent)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Hand the figures to the library, which sends them by a process of its own."""
        self._run.log({STEP: step, **values})

    def close(self, end: End) -> None:
        """Send what is left."""
        self._run.finish(exit_code=EXIT_CODES[end])


def _silent() -> Any:
    """Settings with which the library sends, and prints, nothing of its own."""
    from wandb import Settings  # as above

    return Settings(
        console="off",
        disable_code=True,
        disable_git=True,
        host="",
        program="node0 finetune",
        save_code=False,
        silent=True,
        x_disable_machine_info=True,
        x_disable_meta=True,
        x_disable_stats=True,
        x_save_requirements=False,
    )
