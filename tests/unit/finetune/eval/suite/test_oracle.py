# SPDX-License-Identifier: Apache-2.0
"""All items that run nothing, with their references and with every null model; the rest is in integration."""

import pytest
from eval_items import an_item, said

from node0.finetune.eval.running.eval_runner import EvalRunner, Trying
from node0.finetune.eval.running.null_models import NullModel, null_models
from node0.finetune.eval.suite.item import Category, EvalItem
from node0.finetune.eval.suite.load import load_suite
from node0.finetune.eval.suite.oracle import Oracle, oracle
from node0.finetune.eval.suite.suite_task import SuiteTask
from node0.finetune.eval.suite.trial import open_trial

ITEMS = [item for item in load_suite() if not item.runs]
PURE = (Category.CONVENTION_ADHERENCE, Category.PLANNING)


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.id)
def test_a_reference_passes_every_check(item: EvalItem) -> None:
    with open_trial(item, None) as trial:
        while (request := trial.request) is not None:
            trial.answer(oracle(item, request))

        assert [result.reason for result in trial.results() if not result.passed] == []


@pytest.mark.parametrize("category", PURE)
@pytest.mark.parametrize("model", null_models(), ids=lambda model: model.name)
def test_a_model_that_knows_nothing_passes_nothing(category: Category, model: NullModel) -> None:
    tasks = [SuiteTask(item, None) for item in ITEMS if item.category is category]

    results = EvalRunner(tasks, Trying(epochs=1)).run(model)

    assert [result.item for result in results if result.passed] == []
    assert len(results) == len(tasks) > 0


def test_the_oracle_ends_a_loop_that_its_reference_does_not() -> None:
    item = an_item(turns=3)
    request = item.request()
    request["messages"] += [{"role": "assistant", "content": "yes"}, {"role": "user", "content": "go on"}]

    assert oracle(item, request) == said("Done.")


def test_a_runner_asks_the_oracle_as_a_model() -> None:
    item = an_item()

    (right,) = EvalRunner([SuiteTask(item, None)], Trying(epochs=1)).run(Oracle([item]))

    assert (right.passed, right.answers) == (True, ("yes",))
