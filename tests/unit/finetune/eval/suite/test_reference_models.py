# SPDX-License-Identifier: Apache-2.0
"""All items that run nothing, with every null model and with their references; the rest is in integration."""

import pytest
from eval_items import an_item, bash, said

from node0.finetune.eval.suite.item import Category, EvalItem
from node0.finetune.eval.suite.load import load_suite
from node0.finetune.eval.suite.reference_models import NULL_MODELS, NullModel, first_action, oracle
from node0.finetune.eval.suite.trial import open_trial

ITEMS = [item for item in load_suite() if not item.runs]
PURE = (Category.CONVENTION_ADHERENCE, Category.PLANNING)


def _passes(item: EvalItem, model: NullModel) -> bool:
    with open_trial(item, None) as trial:
        while (request := trial.request) is not None:
            trial.answer(model(item, request))
        return all(result.passed for result in trial.results())


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.id)
def test_a_reference_passes_every_check(item: EvalItem) -> None:
    with open_trial(item, None) as trial:
        while (request := trial.request) is not None:
            trial.answer(oracle(item, request))

        assert [result.reason for result in trial.results() if not result.passed] == []


@pytest.mark.parametrize("category", PURE)
@pytest.mark.parametrize("name", NULL_MODELS)
def test_a_model_that_knows_nothing_fails_nearly_everywhere(category: Category, name: str) -> None:
    items = [item for item in ITEMS if item.category is category]

    passed = [item.id for item in items if _passes(item, NULL_MODELS[name])]

    assert len(passed) <= 0.1 * len(items), passed


def test_the_first_action_is_allowed_or_named_or_a_look_around() -> None:
    decision = an_item(actions=["nudge", "no-op"])
    named = an_item(prompt="Run `bd ready` first.", tools=["Bash"])

    assert '"nudge"' in str(first_action(decision, decision.request()))
    assert first_action(named, named.request()) == bash("bd ready")
    assert first_action(an_item(), an_item().request()) == said("```sh\nls\n```")


def test_the_oracle_ends_a_loop_that_its_reference_does_not() -> None:
    item = an_item(turns=3)
    request = item.request()
    request["messages"] += [{"role": "assistant", "content": "yes"}, {"role": "user", "content": "go on"}]

    assert oracle(item, request) == said("Done.")
