# SPDX-License-Identifier: Apache-2.0
"""Measurements of a version: each is kept, and the last one is the version's score."""

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict, Field

from node0.finetune.registry.model_events import now
from node0.finetune.statistics.regression import Outcomes, read_outcomes
from node0.store.history_tables import append_evaluation_row, list_evaluations
from node0.store.transactions import Transaction

REPLAY = "replay"
"The suite that a town's own held-out sessions are."

SHIPPED = "roles"
"The suite that is shipped."

HELD_OUT = "held-out"
"What `node0 measure` keeps: a bare score, and no suite."


class EvaluationDetail(BaseModel):
    """What a suite found out item by item: enough to judge it again, and against another version."""

    model_config = ConfigDict(frozen=True)

    suite_digest: str
    "Of its items; only measurements of one digest are compared."

    outcomes: Mapping[str, Mapping[str, tuple[int, int]]]
    "Passes and trials by category and item."

    nulls: Mapping[str, Mapping[str, tuple[int, int]]] = Field(default_factory=dict)
    "Passes and items by null model and category."

    def tallies(self) -> Outcomes:
        """The outcomes as tallies."""
        return read_outcomes(self.outcomes)


class Evaluation(BaseModel):
    """One measurement."""

    model_config = ConfigDict(frozen=True)

    suite: str = Field(min_length=1, max_length=128)
    "What was measured: `held-out`, or the name of a suite."

    items: int = Field(ge=0)
    score: float = Field(allow_inf_nan=False)
    low: float | None = Field(default=None, allow_inf_nan=False)
    high: float | None = Field(default=None, allow_inf_nan=False)
    "Bounds of the score with 95 % confidence."

    by_category: Mapping[str, float] = Field(default_factory=dict)
    detail: EvaluationDetail | None = None
    "Of a suite; None where only a score is known."

    at: str = ""
    "ISO 8601, UTC; set when it is kept."


def add_evaluation(transaction: Transaction, name: str, version: int, evaluation: Evaluation) -> None:
    """Keep one more, inside the caller's transaction."""
    row = {**evaluation.model_dump(mode="json"), "name": name, "version": version, "at": now()}
    append_evaluation_row(transaction, row)


def evaluations_of(transaction: Transaction, name: str, version: int) -> Sequence[Evaluation]:
    """All that is kept of a version, oldest first."""
    fields = set(Evaluation.model_fields)
    return [
        Evaluation(**{key: value for key, value in row.items() if key in fields})
        for row in list_evaluations(transaction, name, version)
    ]
