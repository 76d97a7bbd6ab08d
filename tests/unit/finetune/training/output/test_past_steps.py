# SPDX-License-Identifier: Apache-2.0
from node0.finetune.training.output.past_steps import PastSteps
from node0.finetune.training.output.resume import TrainerState


def test_each_step_is_remembered_as_it_was_then():
    past, state = PastSteps(), TrainerState(data={"step": 0})
    for step in range(3):
        state.step = state.data["step"] = step
        past.note(state)

    found = past.at(1)

    assert found is not None
    assert (found.step, found.data) == (1, {"step": 1})
    assert past.at(3) is None


def test_what_a_checkpoint_holds_is_forgotten():
    past = PastSteps()
    past.note(TrainerState(step=4))
    past.forget()

    assert past.at(4) is None
