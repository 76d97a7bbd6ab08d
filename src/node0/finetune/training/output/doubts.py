# SPDX-License-Identifier: Apache-2.0
"""Doubts about a finished run, from its metrics: whether it has learned anything, and what to change."""

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

MOVED = 0.01
"Share of its first value by which a loss must fall to have moved."

WORSE = 1.5
"Last held-out loss over the best one, from which on a run has diverged after its best step."


def doubts(records: Sequence[Mapping[str, Any]], *, peak: float) -> list[str]:
    """What is wrong with a run, a line each; empty where it has learned.

    Args:
        records: its metrics, oldest first; step 0 is the model before training.
        peak: the learning rate that the run was to reach.
    """
    steps = [record for record in records if record["step"]]
    if not steps:
        return []
    return [*_of_rate(steps, peak), *_of_loss(records, steps)]


def _of_rate(steps: Sequence[Mapping[str, Any]], peak: float) -> Iterator[str]:
    rates = [record.get("lr") or 0.0 for record in steps]
    highest = max(rates)
    if highest == 0:
        yield f"nothing was trained: all {len(steps)} steps had lr 0; raise epochs, or lower the warm-up"
    elif highest < peak * (1 - 1e-9) and highest == rates[-1]:
        yield (
            f"the run ended in its warm-up, at lr {highest:g} of {peak:g}; "
            "raise epochs or max_steps, or lower the warm-up"
        )
    elif rates[-1] == 0:
        yield "the run ended at lr 0: its last steps trained nothing; set max_steps to what it is to do"


def _of_loss(records: Sequence[Mapping[str, Any]], steps: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    measured = [record["val_loss"] for record in records if record.get("val_loss") is not None]
    is_measured = len(measured) > 1
    if not is_measured and len(steps) == 1:
        return
    before, after = (measured[0], min(measured[1:])) if is_measured else _ends(steps)
    name = "held-out loss" if is_measured else "training loss"
    told = f"{before:.4f} -> {after:.4f}"
    if not math.isfinite(after) or after > before * (1 + MOVED):
        yield f"the run diverged: {name} {told}; lower lr"
    elif is_measured and measured[-1] > WORSE * after:
        yield f"the run diverged after its best step: {name} {after:.4f} -> {measured[-1]:.4f}; lower lr"
    elif after > before * (1 - MOVED):
        yield f"the {name} did not move: {told}; raise lr or epochs"


def _ends(steps: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """Mean training loss of the first tenth of the steps and of the last; infinite where none is finite."""
    losses = [math.inf if record.get("loss") is None else float(record["loss"]) for record in steps]
    share = max(1, len(losses) // 10)
    return fmean(losses[:share]), fmean(losses[-share:])
