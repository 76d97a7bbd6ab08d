# SPDX-License-Identifier: Apache-2.0
"""Which tasks an evaluation has: the shipped suite, a directory of items, or a promptfoo file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from node0.errors import ConfigError
from node0.finetune.eval.promptfoo.promptfoo_suite import read_promptfoo
from node0.finetune.eval.running.task import Task
from node0.finetune.eval.suite.load import load_suite
from node0.finetune.eval.suite.suite_task import suite_tasks
from node0.settings import nearest

SHIPPED = "roles"
"Name of the suite that is shipped."


@dataclass(frozen=True, slots=True)
class ChosenTasks:
    """Tasks with the name of their suite."""

    suite: str
    tasks: Sequence[Task]
    is_whole: bool
    "Whether nothing of the suite was left out."


def choose_tasks(suite: Path | None, *, categories: Sequence[str], role: str | None) -> ChosenTasks:
    """The tasks of a suite that are in one of these categories (none: all) and of this role (None: all).

    Raises:
        ConfigError: the suite cannot be read, or nothing of it is left.
        SandboxUnavailable: an item runs something, and nothing here can contain it.
    """
    name, every = _read(suite)
    known = sorted({task.category for task in every})
    for category in categories:
        if category not in known:
            raise ConfigError(f"suite {name} has no category {category!r}{nearest(category, known)}")
    tasks = [
        task
        for task in every
        if (not categories or task.category in categories) and role in (None, task.role)
    ]
    if not tasks:
        roles = ", ".join(sorted({task.role for task in every}))
        raise ConfigError(f"suite {name} has no task of role {role}; its roles are: {roles}")
    return ChosenTasks(name, tasks, is_whole=len(tasks) == len(every))


def _read(suite: Path | None) -> tuple[str, Sequence[Task]]:
    if suite is not None and suite.suffix in (".yaml", ".yml"):
        return suite.stem, read_promptfoo(suite)
    items = load_suite(suite)
    if not items:
        raise ConfigError(f"--suite {suite} holds no items; give promptfoo's YAML, or a directory of items")
    return (SHIPPED if suite is None else suite.name), suite_tasks(items)
