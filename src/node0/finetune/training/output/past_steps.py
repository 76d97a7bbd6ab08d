# SPDX-License-Identifier: Apache-2.0
"""What the trainer remembered at each step since the last checkpoint."""

from node0.finetune.training.output.resume import TrainerState


class PastSteps:
    """States of the trainer by step: a stage's own state may be kept elsewhere, some steps behind."""

    def __init__(self) -> None:
        self._states: dict[int, TrainerState] = {}

    def note(self, state: TrainerState) -> None:
        """Remember a state; whoever gave it may change it afterwards."""
        self._states[state.step] = state.model_copy(deep=True)

    def forget(self) -> None:
        """Begin anew: a checkpoint holds what came before."""
        self._states.clear()

    def at(self, step: int) -> TrainerState | None:
        """The state after so many steps; None where it is not remembered."""
        return self._states.get(step)
