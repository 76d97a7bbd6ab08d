# SPDX-License-Identifier: Apache-2.0
"""Metrics of each step: `metrics.jsonl`, trackers on request, and a line for listeners."""

import json
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from types import TracebackType
from typing import Any

from node0.files import open_to_append
from node0.finetune.run_dir import RunDirectory
from node0.finetune.training.evaluate import Validation
from node0.finetune.training.trackers.tracker import End, Reporter
from node0.loglines import TRAINING_LOSS

SCALARS = (
    "loss", "val_loss", "val_margin", "val_accuracy", "val_chosen_logp", "lr", "grad_norm",
    "tokens_per_second",
)  # fmt: skip
"Fields of a record that trackers draw."

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One line of `metrics.jsonl`. Step 0 is the model before training."""

    step: int
    "Optimizer steps done."

    loss: float | None = None
    "Mean over supervised tokens (SFT, pretrain) or pairs (DPO) of the global batch."

    val_loss: float | None = None
    "The same over the held-out sessions, on steps that validate."

    val_margin: float | None = None
    "Of held-out pairs: mean log probability of the chosen answer less that of the rejected one, in nats."

    val_accuracy: float | None = None
    "Of held-out pairs: share whose margin is above the reference's."

    val_chosen_logp: float | None = None
    "Of held-out pairs: mean log probability of the chosen answer, in nats."

    lr: float | None = None
    grad_norm: float | None = None
    n_tokens: int = 0
    "Supervised tokens or pairs."

    tokens: int = 0
    "Tokens that passed the model, without padding."

    tokens_per_second: float | None = None
    skipped: bool = False

    def validated(self, found: Validation) -> "StepRecord":
        """The record with what a validation after the step has found."""
        return replace(
            self,
            val_loss=found.loss,
            val_margin=found.margin,
            val_accuracy=found.accuracy,
            val_chosen_logp=found.chosen_logp,
        )

    def to_dict(self) -> dict[str, Any]:
        """The fields that have a value."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def scalars(self) -> dict[str, float]:
        """Those of them that trackers draw."""
        return {name: value for name, value in self.to_dict().items() if name in SCALARS}


class Metrics:
    """Appends records to the run directory and passes them to a watcher."""

    def __init__(
        self,
        run: RunDirectory,
        *,
        watch: Callable[[StepRecord], None] | None = None,
        trackers: Sequence[Reporter] = (),
    ) -> None:
        self._watch = watch
        self._trackers = trackers
        self._file = open_to_append(run.metrics_file)

    def __enter__(self) -> "Metrics":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        for tracker in self._trackers:
            tracker.close(_end(kind))

    def write(self, record: StepRecord) -> None:
        """Append one record; logs `Training loss:` for steps that trained."""
        self._file.write(f"{json.dumps(record.to_dict())}\n".encode())
        self._file.flush()
        if record.step:
            logger.info(TRAINING_LOSS.write(math.nan if record.loss is None else record.loss))
        for tracker in self._trackers:
            tracker.log(record.step, record.scalars())
        if self._watch is not None:
            self._watch(record)


def _end(error: type[BaseException] | None) -> End:
    if error is None:
        return "finished"
    return "interrupted" if issubclass(error, KeyboardInterrupt) else "failed"
