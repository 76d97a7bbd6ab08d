# SPDX-License-Identifier: Apache-2.0
"""Which tasks an evaluation has: the shipped suite, a directory of items, or a promptfoo file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from node0.errors import ConfigError
from node0.finetune.eval.promptfoo.promptfoo_suite import read_promptfoo
from node0.finetune.eval.running.null_models import NullModel
from node0.finetune.eval.running.task import Task
from node0.finetune.eval.suite.item import EvalItem
from node0.finetune.eval.suite.load import load_suite
from node0.finetune.eval.suite.suite_task import suite_tasks
from node0.finetune.registry.evaluations import HELD_OUT, REPLAY, SHIPPED
from node0.settings import nearest

_TAKEN = {
    REPLAY: "what --replay is called",
    SHIPPED: "what the shipped suite is called",
    HELD_OUT: "what node0 measure keeps",
}
"Names by which the gate knows something else."

_OF_PROMPTFOO = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class ChosenTasks:
    """Tasks with the name of their suite."""

    suite: str
    tasks: Sequence[Task]
    is_whole: bool = True
    "Whether nothing of the suite was left out."

    nulls: Sequence[NullModel] = ()
    "Null models beside those of every suite."


@dataclass(frozen=True, slots=True)
class ChosenItems:
    """Items with the name of their suite."""

    suite: str
    items: Sequence[EvalItem]


def choose_tasks(suite: Path | None, *, categories: Sequence[str], role: str | None) -> ChosenTasks:
    """The tasks of a suite that are in one of these categories (none: all) and of this role (None: all).

    Raises:
        ConfigError: the suite cannot be read, or nothing of it is left.
        SandboxUnavailable: an item runs something, and nothing here can contain it.
    """
    if suite is not None and suite.stem in _TAKEN:
        raise ConfigError(f"--suite {suite}: {suite.stem} is {_TAKEN[suite.stem]}; rename it")
    if suite is not None and suite.suffix in _OF_PROMPTFOO:
        name, every = suite.stem, read_promptfoo(suite)
        tasks: Sequence[Task] = _chosen(name, every, categories=categories, role=role)
        return ChosenTasks(name, tasks, is_whole=len(tasks) == len(every))
    name, items = _read_items(suite)
    left = _chosen(name, items, categories=categories, role=role)
    return ChosenTasks(name, suite_tasks(left), is_whole=len(left) == len(items))


def choose_items(suite: Path | None, *, categories: Sequence[str], role: str | None) -> ChosenItems:
    """The same of a suite that has items, without a sandbox: nothing is asked of them here.

    Raises:
        ConfigError: the suite cannot be read, is promptfoo's, or nothing of it is left.
    """
    if suite is not None and suite.suffix in _OF_PROMPTFOO:
        raise ConfigError(f"--suite {suite} is promptfoo's; give a directory of items, or none")
    name, items = _read_items(suite)
    return ChosenItems(name, _chosen(name, items, categories=categories, role=role))


class _Listed(Protocol):
    @property
    def category(self) -> str: ...

    @property
    def role(self) -> str: ...


_L = TypeVar("_L", bound=_Listed)


def _chosen(name: str, every: Sequence[_L], *, categories: Sequence[str], role: str | None) -> list[_L]:
    known = sorted({str(each.category) for each in every})
    for category in categories:
        if category not in known:
            raise ConfigError(f"suite {name} has no category {category!r}{nearest(category, known)}")
    found = [
        each
        for each in every
        if (not categories or each.category in categories) and role in (None, each.role)
    ]
    if not found:
        roles = ", ".join(sorted({each.role for each in every}))
        raise ConfigError(f"suite {name} has no task of role {role}; its roles are: {roles}")
    return found


def _read_items(suite: Path | None) -> tuple[str, list[EvalItem]]:
    items = load_suite(suite)
    if not items:
        raise ConfigError(f"--suite {suite} holds no items; give promptfoo's YAML, or a directory of items")
    return SHIPPED if suite is None else suite.name, items
