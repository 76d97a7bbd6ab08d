# SPDX-License-Identifier: Apache-2.0
"""`SuiteTask`: an item of the suite as a runner takes it, with the sandbox that its trials need."""

import hashlib
import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from node0.finetune.eval.sandbox.sandbox_runner import SandboxRunner, find_sandbox
from node0.finetune.eval.suite.item import EvalItem
from node0.finetune.eval.suite.trial import Trial, open_trial


@dataclass(frozen=True)
class SuiteTask:
    """One item, ready to be asked."""

    item: EvalItem
    sandbox: SandboxRunner | None
    by_checks: bool = False

    @property
    def id(self) -> str:
        """The item's name."""
        return self.item.id

    @property
    def category(self) -> str:
        """What it measures."""
        return self.item.category.value

    @property
    def role(self) -> str:
        """Whose work it is."""
        return self.item.role

    @property
    def difficulty(self) -> str:
        """easy, medium or hard."""
        return self.item.difficulty.value

    @property
    def tags(self) -> Sequence[str]:
        """Further words to find it by."""
        return self.item.tags

    @property
    def prompt(self) -> str:
        """What a model is asked, without the role's card."""
        return self.item.question

    @property
    def actions(self) -> Sequence[str]:
        """Actions that the prompt allows, in its order; none where it is no decision."""
        return self.item.actions

    @property
    def digest(self) -> str:
        """The sha256 of all that the item says, and of all that a model is asked for it."""
        asked = json.dumps(self.item.request(), sort_keys=True)
        return hashlib.sha256(f"{self.item.model_dump_json()}\n{asked}".encode()).hexdigest()

    def open(self) -> AbstractContextManager[Trial]:
        """Begin a trial."""
        return open_trial(self.item, self.sandbox)


def suite_tasks(items: Sequence[EvalItem]) -> list[SuiteTask]:
    """The items as tasks; a sandbox is looked for where one of them runs something.

    Raises:
        SandboxUnavailable: one runs something, and nothing here can contain it.
    """
    sandbox = find_sandbox() if any(item.runs for item in items) else None
    return [SuiteTask(item, sandbox) for item in items]
