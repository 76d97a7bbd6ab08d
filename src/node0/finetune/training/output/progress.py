# SPDX-License-Identifier: Apache-2.0
"""Progress on stderr: a bar on a terminal, else one JSON line a step."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from node0 import console
from node0.finetune.training.output import metrics
from node0.finetune.training.output.metrics import StepRecord


@contextmanager
def watching(*, terminal: bool, total: int) -> Iterator[Callable[[StepRecord, int], None]]:
    """Yield what is to be told of each step of a run of `total` steps."""
    if not terminal:
        yield _print_line
        return
    # The bar shows the loss; a log line a step would tear it.
    with console.without_notes_of(metrics.__name__), console.progress() as bar:
        task = bar.add_task("training", total=total, detail="")
        yield lambda record, of: bar.update(task, completed=record.step, total=of, detail=_detail(record))


def _print_line(record: StepRecord, total: int) -> None:
    console.note(json.dumps({**record.to_dict(), "of": total}))


def _detail(record: StepRecord) -> str:
    parts = []
    if record.loss is not None:
        parts.append(f"loss {record.loss:.4f}")
    if record.val_loss is not None:
        parts.append(f"val {record.val_loss:.4f}")
    if record.tokens_per_second is not None:
        parts.append(f"{record.tokens_per_second:,.0f} tok/s")
    return "  ".join(parts)
