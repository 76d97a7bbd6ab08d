# SPDX-License-Identifier: Apache-2.0
"""The port of a tracker: who is told of a run, step by step, besides `metrics.jsonl`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from node0.files import private_directory, write_atomically

End = Literal["finished", "interrupted", "failed"]
"How the training ended."

Setting = str | int | float | bool | None


class Reporter(Protocol):
    """Takes the figures of a run."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Take the figures of one step; after a resume, steps may come again."""
        ...

    def close(self, end: End) -> None:
        """Send what is left, and say how the run ended."""
        ...


class Tracker(Reporter, Protocol):
    """One that works by a library. Whatever it raises, training goes on without it."""

    @property
    def place(self) -> str:
        """Where a person finds the run."""
        ...


@dataclass(frozen=True, slots=True)
class TrackedRun:
    """What a tracker is told of the run itself."""

    name: str
    project: str | None
    "W&B's project, MLflow's experiment; None leaves it to the environment."

    settings: Mapping[str, Setting]
    directory: Path
    "Of the trackers, in the run directory."

    def known_as(self, tracker: str) -> str | None:
        """The id that this run has there; None where it has not been told of."""
        file = self._id_file(tracker)
        return file.read_text(encoding="utf-8").strip() if file.is_file() else None

    def remember(self, tracker: str, run_id: str) -> None:
        """Keep the id, so that a resumed run goes on under it."""
        private_directory(self.directory)
        write_atomically(self._id_file(tracker), f"{run_id}\n")

    def _id_file(self, tracker: str) -> Path:
        return self.directory / f"{tracker}.id"
