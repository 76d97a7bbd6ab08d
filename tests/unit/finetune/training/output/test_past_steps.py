# SPDX-License-Identifier: Apache-2.0
import pytest

from node0.finetune.training.output.past_steps import PastSteps
from node0.finetune.training.output.resume import TrainerState


def test_each_step_is_remembered_as_it_was_then():
    past, state = PastSteps(), TrainerState(data={"step": 0})
    for step in range(3):
        state.step = state.data["step"] = step
        past.note(state, behind=step)

    found = past.at(1)

    assert found is not None
    assert (found.step, found.data) == (1, {"step": 1})
    assert past.at(3) is None


def test_what_a_checkpoint_holds_is_forgotten():
    past = PastSteps()
    past.note(TrainerState(step=4), behind=None)
    past.forget()

    assert past.at(4) is None


@pytest.mark.parametrize(("behind", "remembered"), [(10, list(range(89, 100))), (0, [99]), (None, [99])])
def test_steps_before_what_is_kept_elsewhere_are_forgotten(behind, remembered):
    past = PastSteps()
    for step in range(100):
        past.note(TrainerState(step=step), behind=behind)

    assert [step for step in range(101) if past.at(step) is not None] == remembered


def test_a_step_is_remembered_for_as_long_as_what_is_kept_is_of_it():
    past, remembered = PastSteps(), []
    for step in range(60):
        behind = step % 20  # every 20 steps the stages' own state is fetched
        past.note(TrainerState(step=step), behind=behind)
        remembered.append(past.at(step - behind))

    assert [state and state.step for state in remembered] == [step - step % 20 for step in range(60)]
