# SPDX-License-Identifier: Apache-2.0
"""Trajectories of calls: what every reader of a harness's transcripts gives.

A reader is one class for each harness; whoever collects knows `TranscriptReader` only.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from node0.finetune.corpus.transcript.wire_messages import WireMessage


@dataclass(frozen=True)
class RequestShape:
    """What a request says beside its messages."""

    system: tuple[str, ...] = ()
    tools: tuple[dict[str, Any], ...] = ()
    "Whole definitions; `defer_loading` marks one that the model sees only where a result names it."


@dataclass(frozen=True)
class RebuiltCall:
    """One request; its answer is `messages[n_messages]` of its trajectory."""

    n_messages: int
    shape: RequestShape
    exact: bool
    "Every message and the shape are proven by their recorded hashes."

    at: str
    "ISO 8601, UTC."

    answer_id: str
    "Tells it from the others of its session."

    lasting_id: str = ""
    "What the harness calls it wherever it is copied; empty where it has no name that lasts."

    model: str = ""
    "That answered, as the harness recorded it; empty where it does not tell."


@dataclass(frozen=True)
class Trajectory:
    """Calls that extend each other, over one list of messages in wire form."""

    agent: str
    "Empty for the main conversation, else the sidechain's name."

    messages: list[WireMessage]
    calls: list[RebuiltCall]


def up_to_last_answer(trajectory: Trajectory) -> Trajectory | None:
    """The trajectory without what follows its last call's answer; None when it has no call."""
    if not trajectory.calls:
        return None
    del trajectory.messages[trajectory.calls[-1].n_messages + 1 :]
    return trajectory


class TranscriptReader(Protocol):
    """Reads the transcript of one session."""

    session_id: str
    "As the harness names it; empty where the file does not tell."

    skipped: Counter[str]
    "What was not used, by reason; complete after `trajectories` is exhausted."

    def trajectories(self) -> Iterator[Trajectory]:
        """Every call with an answer, once; one trajectory at a time is held in memory."""
        ...
