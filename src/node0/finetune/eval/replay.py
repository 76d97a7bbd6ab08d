# SPDX-License-Identifier: Apache-2.0
"""Replay a town's own sessions: at each recorded call the model is asked with the recorded context.

An answer is exact when it makes the recorded calls, equivalent when it makes calls that do the same
(`same_calls`), else wrong. Nothing is run: the next request is the recorded one, whatever was answered.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from node0.finetune.chat.messages import Block, Message, Request
from node0.finetune.chat.same_calls import calls_of, equivalent
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.eval.held_out import spread
from node0.finetune.eval.tool_calls import MeasuredTurn, recorded_turns
from node0.finetune.statistics.tallies import Tally, estimate

NOTE = (
    "At each recorded call the model was asked with the recorded context. Equivalent: the same calls after "
    "normalising. Shown: calls that hold a word only a tool result showed. Bounds take a session as one item."
)
EVERY = "all"


class ReplayedModel(Protocol):
    """What a replay asks of a model."""

    def reduce(self, message: Message) -> Message | None:
        """A recorded message as the model would meet it; None where it would not."""

    def answer(self, request: Request, *, max_tokens: int) -> list[Block]:
        """Its greedy answer; nothing where the request does not fit."""


class Agreement(StrEnum):
    """How an answer stands to the recorded one."""

    EXACT = "exact"
    EQUIVALENT = "equivalent"
    WRONG = "wrong"


@dataclass(frozen=True)
class ReplayedTurn:
    """One recorded call and what the model made of it."""

    turn: MeasuredTurn
    agreement: Agreement

    @property
    def agrees(self) -> bool:
        """Whether the model does what was done."""
        return self.agreement is not Agreement.WRONG


def replay(
    model: ReplayedModel,
    entries: Iterable[CorpusEntry],
    *,
    max_tokens: int,
    limit: int | None = None,
    on_turn: Callable[[], None] = lambda: None,
) -> list[ReplayedTurn]:
    """Ask at every recorded call of these sessions, or at `limit` of them, evenly spread."""
    turns = [turn for entry in entries for turn in recorded_turns(entry, reduce=model.reduce)]
    found = []
    for turn in spread(turns, limit):
        answer = model.answer(turn.request, max_tokens=max_tokens)
        found.append(ReplayedTurn(turn, _agreement(turn, answer)))
        on_turn()
    return found


def replay_rows(turns: Sequence[ReplayedTurn]) -> list[dict[str, Any]]:
    """Figures of all turns, then by role and task type; nothing of no turns."""
    if not turns:
        return []
    groups: dict[tuple[str, str], list[ReplayedTurn]] = {}
    for one in turns:
        groups.setdefault((one.turn.role, one.turn.task_type), []).append(one)
    return [_row(EVERY, EVERY, turns), *(_row(*key, group) for key, group in sorted(groups.items()))]


def _row(role: str, task_type: str, turns: Sequence[ReplayedTurn]) -> dict[str, Any]:
    shown = [one for one in turns if one.turn.depends]
    counts = {kind.value: sum(one.agreement is kind for one in turns) for kind in Agreement}
    sessions: dict[str, Tally] = {}
    for one in turns:
        passes, trials = sessions.get(one.turn.entry_id, Tally(0, 0))
        sessions[one.turn.entry_id] = Tally(passes + one.agrees, trials + 1)
    found = estimate(list(sessions.values()))
    return {
        "role": role,
        "task_type": task_type,
        "sessions": len(sessions),
        "turns": len(turns),
        **counts,
        "score": round(found.score, 4),
        "low": round(found.low, 4),
        "high": round(found.high, 4),
        "shown": len(shown),
        "shown_agree": sum(one.agrees for one in shown),
    }


def _agreement(turn: MeasuredTurn, answer: Sequence[Block]) -> Agreement:
    calls = calls_of(answer)
    if calls == turn.calls:
        return Agreement.EXACT
    return Agreement.EQUIVALENT if equivalent(calls, turn.calls) else Agreement.WRONG
