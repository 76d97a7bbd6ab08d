# SPDX-License-Identifier: Apache-2.0
import pytest

from node0.errors import GateRefused
from node0.finetune.deploy.gate import FORCE, GateSettings, check_gate
from node0.finetune.registry.evaluations import Evaluation
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.states import DeploymentStatus

ENTRY = ModelRegistryEntry(name="dm", role="deacon", version=2, artifact_path="/x")


def _measured(score: float, low: float | None = None) -> Evaluation:
    return Evaluation(suite="held-out", items=10, score=score, low=low)


def _refusal(entry: ModelRegistryEntry, *found: Evaluation, holds: tuple[str, ...] = ()) -> str:
    with pytest.raises(GateRefused) as caught:
        check_gate(entry, found, GateSettings(), holds=holds)
    return str(caught.value)


def test_what_was_never_evaluated_is_refused_with_the_way_on() -> None:
    line = _refusal(ENTRY)

    assert line.startswith("dm:2 was never evaluated. Run node0 measure")
    assert line.endswith(FORCE)


def test_the_lower_bound_counts_where_one_was_measured() -> None:
    assert "lower bound of the score 70.0% below deployment threshold 80.0%" in _refusal(
        ENTRY, _measured(0.9, 0.7)
    )
    check_gate(ENTRY, [_measured(0.9, 0.8)], GateSettings(), holds=())


def test_the_last_measurement_counts() -> None:
    assert "Model score 10.0%" in _refusal(ENTRY, _measured(0.9), _measured(0.1))
    check_gate(ENTRY, [_measured(0.1), _measured(0.9)], GateSettings(), holds=())


def test_a_role_may_have_a_threshold_of_its_own() -> None:
    settings = GateSettings(threshold=0.9, thresholds={"deacon": 0.5})

    check_gate(ENTRY, [_measured(0.6)], settings, holds=())
    with pytest.raises(GateRefused):
        check_gate(ENTRY.model_copy(update={"role": "witness"}), [_measured(0.6)], settings, holds=())


@pytest.mark.parametrize("status", ["flagged", "holds_rollout", "degraded"])
def test_a_version_that_somebody_stopped_is_refused_however_good(status: str) -> None:
    entry = ENTRY.model_copy(update={"deployment_status": DeploymentStatus(status)})

    assert f"dm:2 is {status}" in _refusal(entry, _measured(1.0))


def test_an_earlier_version_can_hold_the_rollout() -> None:
    assert "dm:1 holds the rollout of dm" in _refusal(ENTRY, _measured(1.0), holds=("dm:1",))
