# SPDX-License-Identifier: Apache-2.0
"""`Check`: one question about a trial, answered with the reason."""

from abc import ABC, abstractmethod
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from node0.finetune.eval.schema import CheckOutcome
from node0.finetune.eval.suite.evidence import Evidence


class Check(BaseModel, ABC):
    """One question. Its fields are what an item's data file says; `check` is its name there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    runs: ClassVar[bool] = False
    "Whether it needs the throwaway place."

    check: str

    @abstractmethod
    def judge(self, evidence: Evidence) -> CheckOutcome:
        """Answer the question; never raises for what a model wrote."""

    def passed(self, reason: str) -> CheckOutcome:
        """A yes."""
        return CheckOutcome(check=self.check, passed=True, reason=reason)

    def failed(self, reason: str) -> CheckOutcome:
        """A no."""
        return CheckOutcome(check=self.check, passed=False, reason=reason)

    def held(self, holds: bool, reason: str, otherwise: str) -> CheckOutcome:
        """A yes with `reason`, or a no with `otherwise`."""
        return self.passed(reason) if holds else self.failed(otherwise)
