# SPDX-License-Identifier: Apache-2.0
"""The whole shipped suite by runner and gate: a perfect oracle passes, models that know nothing do not."""

from collections.abc import Mapping, Sequence

import pytest
from eval_items import called

from node0.errors import SandboxUnavailable
from node0.finetune.deploy.gate import GateSettings, objections
from node0.finetune.eval.report.eval_report import Bars, build_report
from node0.finetune.eval.running.answerer import Answerer
from node0.finetune.eval.running.eval_runner import EvalRunner, Trying
from node0.finetune.eval.running.null_models import NullModel, null_models
from node0.finetune.eval.sandbox.sandbox_runner import SandboxRunner, find_sandbox
from node0.finetune.eval.schema import EvalResult, outcomes_of
from node0.finetune.eval.scorer import evaluation_of
from node0.finetune.eval.suite.item import Category
from node0.finetune.eval.suite.load import load_suite
from node0.finetune.eval.suite.oracle import Oracle
from node0.finetune.eval.suite.suite_task import SuiteTask
from node0.finetune.eval.suite.trial import open_trial
from node0.finetune.statistics.regression import Outcomes

pytestmark = pytest.mark.integration

ITEMS = load_suite()
TRYING = Trying(epochs=1, concurrency=2)
GATE = GateSettings()


@pytest.fixture(scope="module")
def sandbox() -> SandboxRunner:
    """A sandbox; skipped where the machine has none that works."""
    try:
        return find_sandbox()
    except SandboxUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def tasks(sandbox: SandboxRunner) -> list[SuiteTask]:
    """All items, each with the sandbox that it may need."""
    return [SuiteTask(item, sandbox) for item in ITEMS]


def _objections(
    tasks: Sequence[SuiteTask],
    model: Answerer,
    results: Sequence[EvalResult],
    *,
    nulls: Mapping[str, Outcomes],
) -> list[str]:
    """What the gate says of a model's results, by the report that the registry is given."""
    plan = TRYING.plan("roles", tasks, model)
    bars = Bars(GATE.threshold, GATE.category_threshold)
    report = build_report(plan, tasks, results, nulls=nulls, bars=bars)
    return list(objections(evaluation_of(report, nulls), GATE, role="polecat"))


def test_a_perfect_oracle_passes_every_item_and_the_gate(tasks: list[SuiteTask]) -> None:
    model = Oracle(ITEMS)

    results = EvalRunner(tasks, TRYING).run(model)

    reasons = [f"{one.item}: {check.reason}" for one in results for check in one.checks if not check.passed]
    assert reasons == []
    assert len(results) == len(ITEMS) == 206
    assert min(len(items) for items in outcomes_of(results).values()) >= 40
    assert _objections(tasks, model, results, nulls={}) == []


@pytest.mark.parametrize("model", null_models(), ids=lambda model: model.name)
def test_a_model_that_knows_nothing_passes_nothing_and_no_category_of_the_gate(
    model: NullModel, tasks: list[SuiteTask]
) -> None:
    results = EvalRunner(tasks, TRYING).run(model)

    passed = [result.item for result in results if result.passed]
    refused = _objections(tasks, model, results, nulls={model.name: outcomes_of(results)})
    assert passed == []
    assert len(results) == len(ITEMS)
    for category in Category:
        [told] = [line for line in refused if line.startswith(f"{category} scores 0.0%")]
        assert "inconclusive" not in told
    assert [line for line in refused if "measures nothing" in line] == []


@pytest.mark.parametrize(
    "wrong",
    [
        "def squares(values):\n    return [value * value for value in values]\n",
        "def squares(values):\n    values = iter(values)\n    yield next(values) ** 2\n"
        "    yield from [value * value for value in values]\n",
    ],
    ids=["a list", "a list but for its first value"],
)
def test_a_list_is_no_answer_to_endless_iterables(wrong: str, sandbox: SandboxRunner) -> None:
    [item] = [item for item in ITEMS if item.id == "refactor-generator"]

    with open_trial(item, sandbox) as trial:
        trial.answer(called("Write", file_path="lazy.py", content=wrong))
        [result] = trial.results()

    assert not result.passed
