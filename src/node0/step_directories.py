# SPDX-License-Identifier: Apache-2.0
"""Directories named by the optimizer step of their content: `step_1`, `step_20`."""

import re
import shutil
from collections.abc import Collection
from pathlib import Path

_NAME = re.compile(r"step_(\d+)", re.ASCII)
_LEFTOVER = re.compile(r"\.step_\d+\..+", re.ASCII)


def step_directory(directory: Path, step: int) -> Path:
    """Where the content of `step` lies below `directory`."""
    return directory / f"step_{step}"


def step_numbers(directory: Path) -> list[int]:
    """Steps that have their directory, ascending; none where `directory` is missing."""
    if not directory.is_dir():
        return []
    matches = [_NAME.fullmatch(path.name) for path in directory.iterdir() if path.is_dir()]
    return sorted(int(match[1]) for match in matches if match is not None)


def newest_step(directory: Path) -> Path | None:
    """The directory of the highest step; None without any."""
    steps = step_numbers(directory)
    return step_directory(directory, steps[-1]) if steps else None


def prune_steps(directory: Path, *, keep: Collection[int | None]) -> None:
    """Remove every step that is not kept, and what a writer that was killed left of one."""
    for step in step_numbers(directory):
        if step not in keep:
            shutil.rmtree(step_directory(directory, step), ignore_errors=True)
    for path in directory.iterdir() if directory.is_dir() else ():
        if _LEFTOVER.fullmatch(path.name):
            shutil.rmtree(path, ignore_errors=True)


def keep_newest(directory: Path, count: int, *, until: int) -> None:
    """Keep the last `count` steps up to `until`; those after it belong to a future that was undone."""
    known = [step for step in step_numbers(directory) if step <= until]
    prune_steps(directory, keep=known[-count:])
