# SPDX-License-Identifier: Apache-2.0
"""`EvalResult`: one trial of one item, as it is kept and reported."""

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict

from node0.finetune.statistics.regression import Outcomes
from node0.finetune.statistics.tallies import Tally


class CheckOutcome(BaseModel):
    """What one check said."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    check: str
    passed: bool
    reason: str
    "One line for a person, also where it passed."


class EvalResult(BaseModel):
    """One item, tried once."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    item: str
    category: str
    role: str
    epoch: int
    passed: bool
    "Whether every check passed."

    checks: tuple[CheckOutcome, ...]
    answers: tuple[str, ...]
    "What the model said and called, turn by turn, as text."

    by_checks: bool = False
    "Whether each check counts as a trial, as the calls of a replayed session do."

    @property
    def tally(self) -> Tally:
        """What it adds to its item's passes and trials."""
        if self.by_checks:
            return Tally(sum(check.passed for check in self.checks), len(self.checks))
        return Tally(int(self.passed), 1)

    @property
    def score(self) -> float:
        """The share of checks that passed."""
        return sum(check.passed for check in self.checks) / len(self.checks) if self.checks else 0.0


def outcomes_of(results: Iterable[EvalResult]) -> Outcomes:
    """How often each item passed, by category."""
    found: dict[str, dict[str, Tally]] = {}
    for result in results:
        items = found.setdefault(result.category, {})
        passes, trials = items.get(result.item, Tally(0, 0))
        items[result.item] = Tally(passes + result.tally.passes, trials + result.tally.trials)
    return found
