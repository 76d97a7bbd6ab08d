# SPDX-License-Identifier: Apache-2.0
import pytest
from eval_items import an_item, said

from node0.errors import SandboxUnavailable
from node0.finetune.chat.profile import DeploymentProfile
from node0.finetune.eval.suite import item
from node0.finetune.eval.suite.item import Form
from node0.finetune.eval.suite.suite_task import SuiteTask, suite_tasks


def test_a_task_tells_of_its_item_and_opens_a_trial() -> None:
    asked = an_item(actions=["a", "b"])
    [task] = suite_tasks([asked])

    assert (task.id, task.category, task.role, task.difficulty) == ("an-item", "planning", "mayor", "easy")
    assert (task.tags, task.actions, task.prompt) == (("test",), ("a", "b"), asked.question)
    assert task.sandbox is None
    with task.open() as trial:
        trial.answer(said("yes"))
        assert [result.passed for result in trial.results()] == [True]


def test_another_item_has_another_digest() -> None:
    assert SuiteTask(an_item(), None).digest == SuiteTask(an_item(), None).digest
    assert SuiteTask(an_item(), None).digest != SuiteTask(an_item(prompt="Say yes!"), None).digest


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("load_profile", lambda role: DeploymentProfile(role=role, card="another card")),
        ("_WORDS", {Form.OBJECT: "Answer otherwise."}),
    ],
)
def test_another_card_or_form_is_another_task(
    what: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = SuiteTask(an_item(form="object"), None)
    before = task.digest
    monkeypatch.setattr(item, what, value)

    assert task.digest != before


def test_items_that_run_something_are_refused_without_a_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(SandboxUnavailable, match="bubblewrap is not installed"):
        suite_tasks([an_item(turns=2)])
