# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from node0.errors import GateRefused
from node0.finetune.deploy.gate import GateSettings, check_gate
from node0.finetune.eval.reversion import CorpusReversionDetector
from node0.finetune.registry.evaluations import Evaluation, EvaluationDetail
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.states import DeploymentStatus
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    (tmp_path / "mayor").mkdir()
    registry = ModelRegistry(Town(tmp_path))
    for number in range(3):
        registry.register(ModelRegistryEntry(name="dm", role="deacon", artifact_path=f"/{number}"))
    return registry


def _evaluate(registry: ModelRegistry, name: str, git: int, plans: int = 38, *, digest: str = "s") -> None:
    outcomes = {
        category: {f"i{number:02}": (int(number < passed), 1) for number in range(40)}
        for category, passed in {"git": git, "plans": plans}.items()
    }
    scores = {"git": git / 40, "plans": plans / 40}
    detail = EvaluationDetail(suite_digest=digest, outcomes=outcomes)
    registry.add_evaluation(
        name, Evaluation(suite="roles", items=80, score=0.5, by_category=scores, detail=detail)
    )


def test_a_version_that_fell_is_flagged_held_and_its_history_says_why(registry: ModelRegistry) -> None:
    _evaluate(registry, "dm:1", 38)
    _evaluate(registry, "dm:2", 26)

    found = CorpusReversionDetector(registry).examine("dm:2")

    assert [(one.category, one.verdict.value) for one in found] == [
        ("git", "fail"),
        ("plans", "inconclusive"),
    ]
    entry = registry.require("dm:2")
    assert entry.deployment_status is DeploymentStatus.HOLDS_ROLLOUT
    told = [event.reason for event in registry.history("dm:2") if event.event == "status"]
    assert told == ["worse than the version before it: git -30.0%", "held after a regression"]


def test_what_is_held_is_not_deployed_and_neither_is_what_comes_after_it(registry: ModelRegistry) -> None:
    _evaluate(registry, "dm:1", 38)
    _evaluate(registry, "dm:2", 26)
    CorpusReversionDetector(registry).examine("dm:2")
    _evaluate(registry, "dm:3", 40, 40)

    for name in ("dm:2", "dm:3"):
        entry = registry.require(name)
        found = registry.evaluations(entry)
        with pytest.raises(GateRefused, match="holds"):
            check_gate(entry, found, GateSettings(), holds=registry.holding(entry))


def test_a_version_that_did_as_well_stays_as_it_was(registry: ModelRegistry) -> None:
    _evaluate(registry, "dm:1", 38)
    _evaluate(registry, "dm:2", 36)

    CorpusReversionDetector(registry).examine("dm:2")

    assert registry.require("dm:2").deployment_status is DeploymentStatus.EVALUATED


def test_the_version_before_is_the_last_one_that_did_this_suite(registry: ModelRegistry) -> None:
    _evaluate(registry, "dm:1", 38)
    _evaluate(registry, "dm:2", 5, digest="another")
    _evaluate(registry, "dm:3", 38)

    assert CorpusReversionDetector(registry).examine("dm:1") == []
    found = CorpusReversionDetector(registry).examine("dm:3")
    assert [(one.category, one.losses) for one in found] == [("git", 0), ("plans", 0)]


def test_deltas_are_new_less_previous_and_significant_below_five_points(registry: ModelRegistry) -> None:
    _evaluate(registry, "dm:1", 38)
    _evaluate(registry, "dm:2", 35, 39)
    detector = CorpusReversionDetector()

    deltas = detector.check_regression("dm:2", "dm:1", registry)

    assert deltas == {"git": pytest.approx(-0.075), "plans": pytest.approx(0.025)}
    assert detector.has_significant_regression(deltas)
    assert not detector.has_significant_regression(deltas, threshold=-0.1)
    assert not detector.has_significant_regression({"git": -0.05})
