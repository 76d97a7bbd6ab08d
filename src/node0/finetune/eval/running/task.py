# SPDX-License-Identifier: Apache-2.0
"""What the runner asks of a task, wherever it was written."""

import hashlib
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from node0.finetune.chat.messages import Block, Request
from node0.finetune.eval.schema import CheckOutcome


class Conversation(Protocol):
    """One trial that is under way."""

    @property
    def request(self) -> Request | None:
        """What the model is asked next; None when the trial is over."""

    def answer(self, blocks: Sequence[Block]) -> None:
        """Take the model's answer."""

    def results(self) -> Sequence[CheckOutcome]:
        """What the checks say of it."""


class Task(Protocol):
    """Something a model is asked to do, and how its answer is judged."""

    @property
    def id(self) -> str:
        """Its name within the suite."""

    @property
    def category(self) -> str:
        """What it measures."""

    @property
    def role(self) -> str:
        """Whose work it is."""

    @property
    def difficulty(self) -> str:
        """easy, medium or hard; empty where nobody said."""

    @property
    def tags(self) -> Sequence[str]:
        """Further words to find it by."""

    @property
    def prompt(self) -> str:
        """What a person reads of it."""

    @property
    def actions(self) -> Sequence[str]:
        """Actions that the prompt allows, in its order; none where it asks for something else."""

    @property
    def by_checks(self) -> bool:
        """Whether each check counts as a trial, as the calls of a replayed session do."""

    @property
    def digest(self) -> str:
        """Another one where the task is another."""

    def open(self) -> AbstractContextManager[Conversation]:
        """Begin a trial."""


def suite_digest(tasks: Iterable[Task]) -> str:
    """The sha256 of all tasks, in whatever order they come."""
    lines = sorted(f"{task.category}/{task.id} {task.digest}" for task in tasks)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
