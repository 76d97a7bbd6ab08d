# SPDX-License-Identifier: Apache-2.0
"""Write a suite in the form of another program that evaluates models."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from node0 import console
from node0.commands.eval.eval_tasks import choose_items
from node0.files import whole_output
from node0.finetune.eval.inspect_tasks.inspect_files import TASK_FILE, write_inspect


def export_for_inspect(
    directory: Path, suite: Path | None, *, categories: Sequence[str], role: str | None
) -> None:
    """Write items as tasks of inspect-ai into a new directory.

    Raises:
        ConfigError: something is there already, the suite cannot be read, or nothing of it is left.
    """
    chosen = choose_items(suite, categories=categories, role=role)
    with whole_output(directory) as place:
        write_inspect(chosen.items, place, suite=chosen.suite)
    console.note(f"{len(chosen.items)} items of suite {chosen.suite} in {directory}")
    console.note(
        f"to ask a model: cd {shlex.quote(str(directory))} && inspect eval {TASK_FILE} --model MODEL"
    )
