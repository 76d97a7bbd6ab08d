# SPDX-License-Identifier: Apache-2.0
"""Detect that successes have become rarer, one outcome at a time: Page's cumulative sum.

Every outcome adds the logarithm of its likelihood ratio, of the rate that must not be over the rate that is
asked for; the sum never falls below zero, so that a long good time cannot pay for a bad one. It stops the
version when it reaches a bound (E. S. Page, "Continuous inspection schemes", Biometrika 41, 1954,
doi:10.2307/2333009; for shares: Reynolds and Stoumbos, 1999, doi:10.1080/00224065.1999.11979900).
"""

import math
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator


class BreakerSettings(BaseModel):
    """The block `breaker` of `<town>/.models/settings.yaml`."""

    model_config = ConfigDict(extra="forbid")

    healthy: float = Field(0.8, gt=0, lt=1)
    "Share of sessions that succeed where nothing is wrong."

    broken: float = Field(0.5, gt=0, lt=1)
    "Share at which a version must leave."

    bound: float = Field(6.0, gt=0)
    "Sum of log-likelihood ratios that stops a version; 6 is odds of 403 to 1."

    min_sessions: int = Field(8, ge=1)
    "Fewer never stop a version."

    cool_down_hours: float = Field(24.0, ge=0)
    "So long after a stop nothing else of the role is stopped: what breaks two versions is neither of them."

    @model_validator(mode="after")
    def _broken_is_lower(self) -> "BreakerSettings":
        if self.broken >= self.healthy:
            raise ValueError(f"broken ({self.broken:g}) must be below healthy ({self.healthy:g})")
        return self


class Verdict(StrEnum):
    """What the outcomes so far say."""

    GOOD = "good"
    SUSPECT = "suspect"
    "The sum has passed half of the bound, and has not come back to zero since."

    BAD = "bad"
    "The bound was reached."


class Evidence(NamedTuple):
    """How a version has done."""

    verdict: Verdict
    sessions: int
    succeeded: int
    total: float
    "The sum now, or where it reached the bound."

    def __str__(self) -> str:
        return f"{self.succeeded} of {self.sessions} sessions succeeded, evidence {self.total:.1f}"


def weigh(outcomes: Iterable[bool], settings: BreakerSettings) -> Evidence:
    """What these outcomes say, oldest first; those after the bound was reached do not count."""
    gain = math.log((1 - settings.broken) / (1 - settings.healthy))
    relief = math.log(settings.broken / settings.healthy)
    verdict, total, sessions, succeeded = Verdict.GOOD, 0.0, 0, 0
    for success in outcomes:
        sessions, succeeded = sessions + 1, succeeded + success
        total = max(0.0, total + (relief if success else gain))
        if total >= settings.bound and sessions >= settings.min_sessions:
            return Evidence(Verdict.BAD, sessions, succeeded, total)
        if total >= settings.bound / 2:
            verdict = Verdict.SUSPECT
        elif total == 0:
            verdict = Verdict.GOOD
    return Evidence(verdict, sessions, succeeded, total)
