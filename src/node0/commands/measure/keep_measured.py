# SPDX-License-Identifier: Apache-2.0
"""Keep what was measured of a registered version with that version."""

import os
from pathlib import Path

from node0 import console
from node0.commands.model.open_registry import open_registry
from node0.errors import ConfigError, Node0Error, NotFound
from node0.finetune.eval.held_out import Measured
from node0.finetune.registry.evaluations import HELD_OUT, Evaluation
from node0.finetune.statistics.wilson import wilson


def registered_as(name: str, town: Path | None) -> str | None:
    """`NAME:VER` of what a name means in the registry; None for a directory, a hub id, or without a town."""
    if os.sep in name:
        return None
    try:
        with open_registry(town) as (registry, _):
            entry = registry.get(name)
    except (NotFound, ConfigError):  # no town, or no name of a model
        return None
    return None if entry is None else entry.spelled


def keep_measured(spelled: str, measured: Measured, town: Path | None) -> None:
    """Write the measurement to the registry; what cannot be written is told and no error."""
    if not measured.calls.turns:
        console.note(f"not kept with {spelled}: no turn was measured")
        return
    try:
        with open_registry(town) as (registry, _):
            registry.add_evaluation(spelled, evaluation_of(measured))
    except (Node0Error, OSError) as error:
        console.note(f"warning: not kept with {spelled}: {error}")


def evaluation_of(measured: Measured) -> Evaluation:
    """Exact calls as the score, with bounds of 95 % confidence, and the loss beside it."""
    calls = measured.calls
    low, high = wilson(calls.exact, calls.turns)
    categories = {"exact_calls": calls.share, "loss": measured.loss}
    return Evaluation(
        suite=HELD_OUT, items=calls.turns, score=calls.share, low=low, high=high, by_category=categories
    )
