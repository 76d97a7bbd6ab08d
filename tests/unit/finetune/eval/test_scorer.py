# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from eval_fakes import Guesser, words
from replayed_sessions import Ruled, session

from node0.finetune.deploy.gate import GateSettings, objections
from node0.finetune.eval.replay import commonest_answer, replay_tasks
from node0.finetune.eval.report.eval_report import Bars, Report, build_report, outcomes_of_report
from node0.finetune.eval.running.eval_runner import EvalRunner, Trying
from node0.finetune.eval.running.null_outcomes import null_outcomes
from node0.finetune.eval.scorer import evaluation_of, keep_evaluation, update_registry_with_scores
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.states import DeploymentStatus
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town

TASKS = [*words(count=20), *words("others", count=20)]
TRYING = Trying(epochs=2)
NULLS = null_outcomes(TASKS, concurrency=1)


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    registry = ModelRegistry(Town(tmp_path))
    for number in range(2):
        registry.register(ModelRegistryEntry(name="dm", role="deacon", artifact_path=f"/{number}"))
    return registry


def _report(chance: float) -> Report:
    model = Guesser(chance=lambda category: chance)
    results = EvalRunner(TASKS, TRYING).run(model)
    plan = TRYING.plan("roles", TASKS, model)
    return build_report(plan, TASKS, results, nulls=NULLS, bars=Bars(0.8, 0.6))


def test_what_is_kept_is_what_the_report_says() -> None:
    report = _report(0.7)

    found = evaluation_of(report, NULLS)

    assert (found.suite, found.items) == ("roles", 40)
    assert (found.score, found.low, found.high) == tuple(
        report["composite"][name] for name in ("score", "low", "high")
    )
    assert found.detail is not None
    assert found.detail.tallies() == outcomes_of_report(report)
    assert found.detail.nulls["no-op"] == {"others": (0, 20), "words": (0, 20)}


def test_a_worse_version_is_held_when_its_evaluation_is_kept(registry: ModelRegistry) -> None:
    first = keep_evaluation(registry, "dm:1", _report(0.9), NULLS)
    second = keep_evaluation(registry, "dm:2", _report(0.3), NULLS)

    assert first == []
    assert {one.verdict.value for one in second} == {"fail"}
    assert registry.require("dm:1").deployment_status is DeploymentStatus.EVALUATED
    assert registry.require("dm:2").deployment_status is DeploymentStatus.HOLDS_ROLLOUT


def test_a_town_that_bears_such_a_fall_holds_nothing(registry: ModelRegistry) -> None:
    for gate in (GateSettings(alpha=1e-9), GateSettings(margin=1.0)):
        keep_evaluation(registry, "dm:1", _report(0.9), NULLS, gate=gate)
        keep_evaluation(registry, "dm:2", _report(0.3), NULLS, gate=gate)

        assert registry.require("dm:2").deployment_status is DeploymentStatus.EVALUATED


def test_bare_scores_are_the_versions_scores(registry: ModelRegistry) -> None:
    update_registry_with_scores("dm:2", {"git": 0.5}, 0.75, registry=registry)

    entry = registry.require("dm:2")
    assert (entry.eval_score, entry.eval_scores_by_category) == (0.75, {"git": 0.5})


CATEGORIES = ("bead_management", "git_workflow", "convention_adherence", "planning", "code_execution")
SUITE = [task for category in CATEGORIES for task in words(category, 40)]
"As many categories and items as the plan's suite has."


def _objections(chance: float) -> list[str]:
    model, trying = Guesser(chance=lambda category: chance), Trying(epochs=1)
    results = EvalRunner(SUITE, trying).run(model)
    nulls = null_outcomes(SUITE, concurrency=1)
    report = build_report(
        trying.plan("roles", SUITE, model), SUITE, results, nulls=nulls, bars=Bars(0.8, 0.6)
    )
    return list(objections(evaluation_of(report, nulls), GateSettings(), role="deacon"))


def test_a_perfect_oracle_passes_the_gate() -> None:
    assert _objections(1.0) == []


def test_a_null_model_fails_the_gate_in_every_category() -> None:
    composite, *categories = _objections(0.0)

    assert "lower bound of the score 0.0% below deployment threshold 80.0%" in composite
    assert [line.split()[0] for line in categories] == sorted(CATEGORIES)
    assert not [line for line in categories if "inconclusive" in line]


def test_a_null_model_of_replayed_sessions_is_counted_in_sessions() -> None:
    tasks = replay_tasks([session(f"gt-{number}") for number in range(6)])
    null, trying = commonest_answer(tasks), Trying(epochs=1)
    nulls = null_outcomes(tasks, concurrency=1, more=[null])
    results = EvalRunner(tasks, trying).run(Ruled())
    plan = trying.plan("replay", tasks, Ruled())

    found = evaluation_of(build_report(plan, tasks, results, nulls=nulls, bars=Bars(0.8, 0.8)), nulls)

    assert found.detail is not None
    # Half of the calls of each of six sessions.
    assert found.detail.nulls["commonest-call"] == {"replay": (3, 6)}
    assert found.detail.outcomes["replay"]["gt-3"] == (2, 2)
    assert (found.suite, found.items, found.score) == ("replay", 6, 1.0)
