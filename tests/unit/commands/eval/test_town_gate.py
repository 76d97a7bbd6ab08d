# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from node0.commands.eval.town_gate import refusals, town_gate
from node0.finetune.deploy.gate import GateSettings
from node0.finetune.eval.scorer import CorpusReversionDetector
from node0.finetune.registry.deployment_log import DeploymentLog
from node0.finetune.registry.deployments import Deployment
from node0.finetune.registry.evaluations import Evaluation, EvaluationDetail
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town

LOW = GateSettings(threshold=0.1, category_threshold=0.1)


def _evaluation(passed: int) -> Evaluation:
    outcomes = {"git": {f"i{number:02}": (int(number < passed), 1) for number in range(100)}}
    detail = EvaluationDetail(suite_digest="s", outcomes=outcomes)
    return Evaluation(suite="roles", items=100, score=passed / 100, low=0.2, high=1.0, detail=detail)


@pytest.fixture
def registry(town_root: Path) -> ModelRegistry:
    """dm:1 is at work and did well; dm:2 is there."""
    registry = ModelRegistry(Town(town_root))
    for number in range(2):
        registry.register(ModelRegistryEntry(name="dm", role="deacon", artifact_path=f"/{number}"))
    registry.add_evaluation("dm:1", _evaluation(100))
    log = DeploymentLog(registry.store)
    facts = {"agent": "a", "rigs": [], "endpoint": {}, "edits": []}
    log.commit(log.begin(Deployment.model_validate(facts | {"name": "dm", "version": 1, "role": "deacon"})))
    return registry


def test_a_fall_against_the_version_at_work_is_a_refusal(registry: ModelRegistry, town_root: Path) -> None:
    found = refusals([_evaluation(50)], LOW, spelled="dm:2", role="", root=town_root)

    assert [line.split(" (")[0] for line in found] == [
        "git fell from 100.0% to 50.0% against the version at work"
    ]
    assert refusals([_evaluation(100)], LOW, spelled="dm:2", role="", root=town_root) == []
    assert refusals([_evaluation(50)], LOW, spelled=None, role="", root=None) == []


def test_a_version_that_was_flagged_since_is_refused(registry: ModelRegistry, town_root: Path) -> None:
    CorpusReversionDetector(registry).hold_rollout("dm:2")

    (line,) = refusals([_evaluation(100)], LOW, spelled="dm:2", role="", root=town_root)

    assert line.startswith("dm:2 is holds_rollout")


def test_a_role_may_have_a_threshold_of_its_own(registry: ModelRegistry, town_root: Path) -> None:
    gate = LOW.model_copy(update={"thresholds": {"deacon": 0.9}})

    (line,) = refusals([_evaluation(100)], gate, spelled="dm:2", role="polecat", root=town_root)

    assert "below deployment threshold 90.0%" in line
    assert refusals([_evaluation(100)], gate, spelled=None, role="polecat", root=None) == []


def test_the_gate_is_the_towns(town_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = Town(town_root).model_settings_file
    file.parent.mkdir(parents=True)
    file.write_text("gate: {alpha: 0.01}\n")

    assert town_gate(town_root).alpha == 0.01
    monkeypatch.chdir("/")
    assert town_gate(None) == GateSettings()
