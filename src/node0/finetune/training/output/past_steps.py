# SPDX-License-Identifier: Apache-2.0
"""What the trainer remembered at the steps to which it may have to go back."""

from node0.finetune.training.output.resume import TrainerState


class PastSteps:
    """States of the trainer by step: a stage's own state may be kept elsewhere, some steps behind."""

    def __init__(self) -> None:
        self._states: dict[int, TrainerState] = {}

    def note(self, state: TrainerState, *, behind: int | None) -> None:
        """Remember a state; whoever gave it may change it afterwards.

        What is kept elsewhere is so many steps behind it, None if nothing is: older states are forgotten.
        """
        first = state.step - (behind or 0)
        self._states = {step: kept for step, kept in self._states.items() if step >= first}
        self._states[state.step] = state.model_copy(deep=True)

    def forget(self) -> None:
        """Begin anew: a checkpoint holds what came before."""
        self._states.clear()

    def at(self, step: int) -> TrainerState | None:
        """The state after so many steps; None where it is not remembered."""
        return self._states.get(step)
