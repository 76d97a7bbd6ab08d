# SPDX-License-Identifier: Apache-2.0
import pytest
from eval_items import DictPlace, an_item, bash, said

from node0.errors import SandboxUnavailable
from node0.finetune.eval.suite.evidence import NoPlace
from node0.finetune.eval.suite.trial import Trial, open_trial


def test_a_single_turn_is_asked_once_and_judged() -> None:
    with open_trial(an_item(), None) as trial:
        assert trial.request is not None
        trial.answer(said("yes"))

        assert trial.request is None
        assert [(result.check, result.passed) for result in trial.results()] == [("says", True)]


def test_a_trial_that_is_over_takes_no_answer() -> None:
    trial = Trial(an_item(), NoPlace())
    trial.answer(said("no"))

    with pytest.raises(ValueError, match="over"):
        trial.answer(said("yes"))


def test_in_a_loop_the_model_sees_what_its_calls_did() -> None:
    trial = Trial(an_item(turns=3), DictPlace(prints={"bd ready": "gt-1"}))

    trial.answer(bash("bd ready"))

    assert trial.request is not None
    *_, answer, result = trial.request["messages"]
    assert answer == {"role": "assistant", "content": bash("bd ready")}
    assert result == {
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": "call_0", "content": "gt-1"}],
    }


def test_a_model_without_tools_is_told_in_words() -> None:
    trial = Trial(an_item(turns=2), DictPlace())

    trial.answer(said("```sh\nfalse\n```"))

    assert trial.request is not None
    assert trial.request["messages"][-1]["content"] == [{"type": "text", "text": "exit code 1\nfalse"}]


def test_a_loop_ends_with_words_alone_or_after_its_turns() -> None:
    ended, used_up = Trial(an_item(turns=3), DictPlace()), Trial(an_item(turns=2), DictPlace())

    ended.answer(said("yes"))
    used_up.answer(bash("a"))
    used_up.answer(bash("b"))

    assert ended.request is used_up.request is None


def test_an_item_that_runs_something_is_not_tried_without_a_sandbox() -> None:
    with pytest.raises(SandboxUnavailable, match="an-item"), open_trial(an_item(turns=2), None):
        pass
