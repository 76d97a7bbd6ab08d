# SPDX-License-Identifier: Apache-2.0
"""TensorBoard's events, below `runs/` of the run directory."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from node0.files import narrow
from node0.finetune.training.trackers.tracker import End


class TensorBoardEvents:
    """Writes events with TensorBoard's own writer."""

    def __init__(self, directory: Path) -> None:
        from torch.utils.tensorboard.writer import SummaryWriter  # an optional package

        self._writer: Any = SummaryWriter(str(directory))
        for path in (directory, *directory.iterdir()):
            narrow(path)
        self.place = str(directory)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """One scalar for each figure."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self, end: End) -> None:
        """Write what is left; events know of no end."""
        self._writer.close()
