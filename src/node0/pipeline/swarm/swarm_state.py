# SPDX-License-Identifier: Apache-2.0
"""The trainer's recovery state: a consistent cut of all stages, and the microbatches since."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from node0.pipeline.protocol import StepResult
from node0.pipeline.swarm.swarm_step import Work


@dataclass(frozen=True, slots=True)
class Cut:
    """The state of every stage at one version; without states, as it was reset."""

    version: int = 0
    states: Mapping[int, bytes] = field(default_factory=dict)
    "Bytes of a state file, by stage."


@dataclass(slots=True)
class History:
    """A cut, and every step since, in order. Doing them again gives the same weights."""

    cut: Cut = field(default_factory=Cut)
    work: list[Work] = field(default_factory=list)
    done: int = 0
    "How many of them the stages have applied or skipped."

    version: int = 0
    "Of the stages, after those."

    def record(self, result: StepResult) -> None:
        """One more step is done."""
        self.done += 1
        self.version += not result.skipped

    def restart(self) -> None:
        """The stages are at the cut again."""
        self.done, self.version = 0, self.cut.version

    def renew(self, cut: Cut) -> None:
        """A newer cut: what led to it need not be done again."""
        self.cut, self.version, self.done = cut, cut.version, 0
        self.work.clear()
