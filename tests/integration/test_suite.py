# SPDX-License-Identifier: Apache-2.0
"""Shipped items that run something: references pass in the sandbox, and models that know nothing fail."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from node0.errors import SandboxUnavailable
from node0.finetune.eval.running.eval_runner import EvalRunner, Trying
from node0.finetune.eval.running.null_models import null_models
from node0.finetune.eval.sandbox.sandbox_runner import SandboxRunner, find_sandbox
from node0.finetune.eval.suite.item import Category, EvalItem
from node0.finetune.eval.suite.load import load_suite
from node0.finetune.eval.suite.oracle import oracle
from node0.finetune.eval.suite.suite_task import SuiteTask
from node0.finetune.eval.suite.trial import open_trial

pytestmark = pytest.mark.integration

ITEMS = [item for item in load_suite() if item.runs]
CATEGORIES = (Category.BEAD_MANAGEMENT, Category.GIT_WORKFLOW, Category.CODE_EXECUTION)
AT_ONCE = 2


@pytest.fixture(scope="module")
def sandbox() -> SandboxRunner:
    """A sandbox; skipped where the machine has none that works."""
    try:
        return find_sandbox()
    except SandboxUnavailable as error:
        pytest.skip(str(error))


def _shortcomings(item: EvalItem, sandbox: SandboxRunner) -> list[str]:
    """Reasons of the checks that the oracle's answers fail."""
    with open_trial(item, sandbox) as trial:
        while (request := trial.request) is not None:
            trial.answer(oracle(item, request))
        return [f"{item.id}: {result.reason}" for result in trial.results() if not result.passed]


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_perfect_oracle_passes_every_item(category: Category, sandbox: SandboxRunner) -> None:
    items = [item for item in ITEMS if item.category is category]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(lambda item: _shortcomings(item, sandbox), items))

    assert [reason for reasons in found for reason in reasons] == []
    assert len(items) >= 40


@pytest.mark.parametrize("category", CATEGORIES)
def test_models_that_know_nothing_fail_nearly_everywhere(category: Category, sandbox: SandboxRunner) -> None:
    tasks = [SuiteTask(item, sandbox) for item in ITEMS if item.category is category]
    models = null_models()
    trying = Trying(epochs=1, concurrency=AT_ONCE)

    results = [
        result
        for number, model in enumerate(models)
        for result in EvalRunner(tasks[number :: len(models)], trying).run(model)
    ]

    passed = [result.item for result in results if result.passed]
    assert len(results) == len(tasks)
    assert len(passed) <= 0.1 * len(tasks), passed
