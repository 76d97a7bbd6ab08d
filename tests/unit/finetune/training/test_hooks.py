# SPDX-License-Identifier: Apache-2.0
import logging

import pytest
from scripted_trainer import Listener

from node0.errors import BadCorpus
from node0.finetune.jobs.job_states import JobState
from node0.finetune.training.hooks import StepHook, report_end


def test_an_interruption_leaves_a_run_that_may_go_on() -> None:
    hook = Listener()

    with pytest.raises(KeyboardInterrupt), report_end(hook, lambda: 4):
        raise KeyboardInterrupt

    assert (hook.phases, hook.reasons) == ([JobState.READY], ["interrupted at step 4"])


@pytest.mark.parametrize(
    ("error", "reason"),
    [(BadCorpus("no entry: collect first"), "no entry: collect first"), (ValueError("secret"), "ValueError")],
)
def test_only_errors_of_ours_are_told_in_their_words(
    error: Exception, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    hook = Listener()

    with caplog.at_level(logging.ERROR), pytest.raises(type(error)), report_end(hook, lambda: 7):
        raise error

    assert (hook.phases, hook.reasons) == ([JobState.FAILED], [reason])
    assert any("7" in line for line in caplog.messages)


def test_a_run_that_ends_well_says_so_itself() -> None:
    hook = Listener()

    with report_end(hook, lambda: 1):
        StepHook().entered(JobState.TRAINING)

    assert hook.phases == []
