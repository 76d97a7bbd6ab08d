# SPDX-License-Identifier: Apache-2.0
import pytest

from node0.finetune.eval.promptfoo.promptfoo_assert import PromptfooAssert
from node0.finetune.eval.promptfoo.promptfoo_task import PromptfooTask

HAS_A = PromptfooAssert("contains", "a")
HAS_B = PromptfooAssert("contains", "b")


def test_a_trial_is_over_after_one_answer_and_every_assertion_is_judged() -> None:
    with PromptfooTask("t", "c", "hi", [HAS_A, HAS_B]).open() as trial:
        asked = trial.request
        trial.answer([{"type": "text", "text": "a"}])

        assert asked is not None
        assert asked["messages"] == [{"role": "user", "content": "hi"}]
        assert trial.request is None
        assert [result.passed for result in trial.results()] == [True, False]


@pytest.mark.parametrize(
    "prompt", ["[1, 2]", '[{"role": "system", "content": "x"}]', '{"role": "user"}', "[{"]
)
def test_json_that_is_no_conversation_is_a_users_text(prompt: str) -> None:
    assert PromptfooTask("t", "c", prompt, [HAS_A]).request()["messages"] == [
        {"role": "user", "content": prompt}
    ]


def test_the_digest_tells_prompts_and_assertions_apart() -> None:
    tasks = [
        PromptfooTask("t", "c", "hi", [HAS_A]),
        PromptfooTask("t", "c", "ho", [HAS_A]),
        PromptfooTask("t", "c", "hi", [HAS_B]),
    ]

    assert len({task.digest for task in tasks}) == 3
