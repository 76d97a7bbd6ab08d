# SPDX-License-Identifier: Apache-2.0
import pytest
from scripted_trainer import Listener

from node0.errors import BadCorpus
from node0.finetune.jobs.job_states import JobState
from node0.finetune.training.hooks import StepHook, report_end


def test_a_run_that_ends_by_itself_is_not_told_here() -> None:
    listener = Listener()

    with report_end(listener, lambda: 3):
        listener.entered(JobState.TRAINING)

    assert listener.phases == ["training"]


def test_an_interrupted_run_may_go_on(caplog: pytest.LogCaptureFixture) -> None:
    listener = Listener()

    with pytest.raises(KeyboardInterrupt), report_end(listener, lambda: 3):
        raise KeyboardInterrupt

    assert (listener.phases, listener.reasons) == (["interrupted"], ["interrupted at step 3"])
    assert caplog.text == ""


def test_a_failure_is_told_with_its_reason_and_the_steps_done_by_then(
    caplog: pytest.LogCaptureFixture,
) -> None:
    listener, done = Listener(), [1]

    with pytest.raises(BadCorpus), report_end(listener, lambda: len(done)):
        done.append(1)
        raise BadCorpus("no entry is left; look at select")

    assert (listener.phases, listener.reasons) == (["failed"], ["no entry is left; look at select"])
    assert caplog.messages == ["Training job failed: step 2"]


def test_the_text_of_an_unexpected_error_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    listener = Listener()

    with pytest.raises(ValueError, match="secret prompt"), report_end(listener, lambda: 0):
        raise ValueError("secret prompt")

    assert (listener.phases, listener.reasons) == (["failed"], ["ValueError"])
    assert "secret" not in caplog.text


def test_a_hook_that_raises_ends_the_run_and_hears_that_it_failed() -> None:
    class Refusing(Listener):
        def started(self) -> None:
            raise BadCorpus("not today")

    hook = Refusing()

    with pytest.raises(BadCorpus, match="not today"), report_end(hook, lambda: 0):
        hook.started()
    assert hook.reasons == ["not today"]


def test_a_hook_need_not_listen_to_everything() -> None:
    with pytest.raises(BadCorpus), report_end(StepHook(), lambda: 0):
        StepHook().started()
        raise BadCorpus("goes through")
