# SPDX-License-Identifier: Apache-2.0
"""Settings of the swarm pipeline: members, backups, deadlines."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from node0.pipeline.swarm.host_connection import MemberSpec
from node0.swarm.transport.stream import time_for

Find = Callable[[], Awaitable[Sequence[MemberSpec]]]
"The members that are known at this moment: of the run file, and of the DHT."


@dataclass(frozen=True, slots=True)
class SwarmSettings:
    """A run over peers."""

    num_stages: int
    find: Find
    layers_per_stage: Sequence[int] | None = None
    backup_every: int = 10
    "Steps after which the trainer fetches the state of all stages."

    in_flight: int | None = None
    "Microbatches under way at once; None takes two a stage."

    deadline: float = 60.0
    "Seconds without news that end an attempt."

    patience: float = 600.0
    "Seconds that a missing stage is waited for."

    state_bytes: int = 0
    "Of the largest state of a stage. So much more may a member send, and so much longer may that take."

    @property
    def transfer(self) -> float:
        """Seconds that whatever is as large as a stage's state may take."""
        return time_for(self.state_bytes, self.deadline)
