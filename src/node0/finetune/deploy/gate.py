# SPDX-License-Identifier: Apache-2.0
"""The gate: whether a version may be put to work for its role."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from node0.errors import GateRefused
from node0.finetune.registry.evaluations import Evaluation
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.states import DeploymentStatus

STOPS = (DeploymentStatus.FLAGGED, DeploymentStatus.HOLDS_ROLLOUT, DeploymentStatus.DEGRADED)
FORCE = "or override with --force-deploy --reason TEXT"


class GateSettings(BaseModel):
    """The block `gate` of `<town>/.models/settings.yaml`."""

    model_config = ConfigDict(extra="forbid")

    threshold: float = Field(0.8, ge=0, le=1)
    "Score that a version must reach, with its lower bound where one was measured."

    thresholds: dict[str, float] = Field(default_factory=dict)
    "The same for single roles."

    def of(self, role: str) -> float:
        """The threshold of a role."""
        return self.thresholds.get(role, self.threshold)


def check_gate(
    entry: ModelRegistryEntry,
    evaluations: Sequence[Evaluation],
    settings: GateSettings,
    *,
    holds: Sequence[str],
) -> None:
    """Nothing where the version may be deployed.

    Args:
        evaluations: of this version, oldest first; the last one counts.
        holds: versions of this model that hold every later one back.

    Raises:
        GateRefused: it was never evaluated, its score is too low, or its state forbids it.
    """
    if entry.deployment_status in STOPS:
        raise GateRefused(f"{entry.spelled} is {entry.deployment_status}; deploy another version, {FORCE}")
    if holds:
        raise GateRefused(f"{holds[0]} holds the rollout of {entry.name}; look at it first, {FORCE}")
    if not evaluations:
        raise GateRefused(f"{entry.spelled} was never evaluated. Run node0 measure or an eval suite, {FORCE}")
    last, threshold = evaluations[-1], settings.of(entry.role)
    score = last.score if last.low is None else last.low
    if score < threshold:
        bound = "score" if last.low is None else "lower bound of the score"
        raise GateRefused(
            f"Model {bound} {score:.1%} below deployment threshold {threshold:.1%}. "
            f"Run eval suite again {FORCE}."
        )
