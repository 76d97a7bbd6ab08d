# SPDX-License-Identifier: Apache-2.0
"""Flags of training settings, shared by the commands that take them."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from node0 import console
from node0.finetune.training.plan.training_settings import places_of


def refuse_missing(flags: Mapping[str, object], needed: Iterable[str]) -> None:
    """End the command as misused unless each of the needed settings is given by a flag."""
    missing = [f"--{name.replace('_', '-')}" for name in needed if name not in flags]
    if missing:
        console.misused(f"missing {', '.join(missing)}; give them, or --config FILE")


def needed(names: Iterable[str], town: Path | None) -> list[str]:
    """Those of the settings that no town gives a default for."""
    found = places_of("a role", town)
    return [name for name in names if name not in found]


def warn_of_local_mode() -> None:
    """Say loudly that nobody outside vouches for the peers of this run."""
    console.note("WARNING: running in local mode: no external auth. NOT for production.")
