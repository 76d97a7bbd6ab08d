# SPDX-License-Identifier: Apache-2.0
"""`Check` and `CheckResult`: one question about a trial, and its answer with the reason."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from node0.finetune.eval.suite.evidence import Evidence


@dataclass(frozen=True)
class CheckResult:
    """Whether a check passed, and why."""

    check: str
    passed: bool
    reason: str
    "One line for a person, also where it passed."


class Check(BaseModel, ABC):
    """One question. Its fields are what an item's data file says; `check` is its name there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    runs: ClassVar[bool] = False
    "Whether it needs the throwaway place."

    check: str

    @abstractmethod
    def judge(self, evidence: Evidence) -> CheckResult:
        """Answer the question; never raises for what a model wrote."""

    def passed(self, reason: str) -> CheckResult:
        """A yes."""
        return CheckResult(self.check, True, reason)

    def failed(self, reason: str) -> CheckResult:
        """A no."""
        return CheckResult(self.check, False, reason)

    def held(self, holds: bool, reason: str, otherwise: str) -> CheckResult:
        """A yes with `reason`, or a no with `otherwise`."""
        return self.passed(reason) if holds else self.failed(otherwise)
