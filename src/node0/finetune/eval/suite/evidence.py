# SPDX-License-Identifier: Apache-2.0
"""What a check may look at: the answers, what was run of them, and the throwaway place as it was left."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from node0.finetune.chat.messages import Block
from node0.finetune.eval.suite.answer import commands_of, words_of


@dataclass(frozen=True)
class Ran:
    """A command of the model's that was run, and how it ended."""

    command: str
    exit_code: int
    output: str
    stopped: tuple[str, ...] = ()


class Place(Protocol):
    """The throwaway place where an item's commands run; outlives the model's last turn."""

    def run(self, command: str) -> Ran:
        """Run a shell command there."""

    def write(self, path: str, text: str) -> bool:
        """Write a file; False where the path leads out of the place, or through a link."""

    def read(self, path: str) -> str | None:
        """A file's text; None where there is no plain file."""


class NoPlace:
    """For items that run nothing."""

    def run(self, command: str) -> Ran:
        """Never runs anything."""
        return Ran(command, 127, "nothing is run for this item")

    def write(self, path: str, text: str) -> bool:
        """Never writes anything."""
        return False

    def read(self, path: str) -> str | None:
        """Never finds anything."""
        return None


@dataclass(frozen=True)
class Evidence:
    """All that one trial left."""

    role: str
    answers: Sequence[Sequence[Block]]
    "The model's turns, in order."

    ran: Sequence[Ran] = ()
    beads: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    "The beads as they were before."

    place: Place = field(default_factory=NoPlace)

    @property
    def answer(self) -> Sequence[Block]:
        """The last turn; empty where there was none."""
        return self.answers[-1] if self.answers else ()

    @property
    def words(self) -> str:
        """The last turn's words."""
        return words_of(self.answer)

    @property
    def commands(self) -> list[str]:
        """Every command that was proposed in any turn."""
        return [command for answer in self.answers for command in commands_of(answer)]
