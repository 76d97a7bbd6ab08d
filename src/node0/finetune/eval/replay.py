# SPDX-License-Identifier: Apache-2.0
"""Replay a town's own sessions: at each recorded call the model is asked with the recorded context.

A session is a task and each of its calls a check. An answer is exact when it makes the recorded calls,
equivalent when it makes calls that do the same (`same_calls`), else wrong. Nothing is run: the next request
is the recorded one, whatever was answered.
"""

import contextlib
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from node0.finetune.chat.messages import Block, Message, Request, text_of
from node0.finetune.chat.same_calls import Call, calls_of, equivalent
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.eval.held_out import spread
from node0.finetune.eval.running.null_models import NullModel
from node0.finetune.eval.running.task import Conversation
from node0.finetune.eval.schema import CheckOutcome
from node0.finetune.eval.tool_calls import MeasuredTurn, recorded_turns
from node0.finetune.registry.evaluations import REPLAY


class Agreement(StrEnum):
    """How an answer stands to the recorded one."""

    EXACT = "exact"
    EQUIVALENT = "equivalent"
    WRONG = "wrong"


@dataclass(frozen=True)
class ReplayTask:
    """The recorded calls of one session, in order; at least one."""

    turns: Sequence[MeasuredTurn]
    content_digest: str
    "Of the corpus entry."

    difficulty: str = ""
    actions: Sequence[str] = ()
    by_checks: bool = True

    @property
    def id(self) -> str:
        """The corpus entry's."""
        return self.turns[0].entry_id

    @property
    def category(self) -> str:
        """The suite's one."""
        return REPLAY

    @property
    def role(self) -> str:
        """Whose session it was."""
        return self.turns[0].role

    @property
    def task_type(self) -> str:
        """What the session was about."""
        return self.turns[0].task_type

    @property
    def tags(self) -> Sequence[str]:
        """The task type, where it is known."""
        return (self.task_type,) if self.task_type else ()

    @property
    def prompt(self) -> str:
        """What stood before the first call, without results of tools."""
        return "\n\n".join(filter(None, map(text_of, self.turns[0].request["messages"])))

    @property
    def digest(self) -> str:
        """Another one where the session, the calls that are asked, or the calls that are right are others."""
        asked = [[len(turn.request["messages"]), turn.calls] for turn in self.turns]
        return hashlib.sha256(json.dumps([self.id, self.content_digest, asked]).encode()).hexdigest()

    @contextlib.contextmanager
    def open(self) -> Iterator[Conversation]:
        """Begin to replay it."""
        yield _Replay(self.turns)


class _Replay:
    def __init__(self, turns: Sequence[MeasuredTurn]) -> None:
        self._turns = turns
        self._judged: list[CheckOutcome] = []

    @property
    def request(self) -> Request | None:
        over = len(self._judged) == len(self._turns)
        return None if over else self._turns[len(self._judged)].request

    def answer(self, blocks: Sequence[Block]) -> None:
        turn = self._turns[len(self._judged)]
        found = agreement(calls_of(blocks), turn.calls)
        recorded = "; ".join(f"{name} {given}" for name, given in turn.calls)
        self._judged.append(
            CheckOutcome(
                check=found.value, passed=found is not Agreement.WRONG, reason=f"recorded was {recorded}"
            )
        )

    def results(self) -> Sequence[CheckOutcome]:
        return self._judged


def replay_tasks(
    entries: Iterable[CorpusEntry],
    *,
    reduce: Callable[[Message], Message | None] = lambda message: message,
    limit: int | None = None,
) -> list[ReplayTask]:
    """The sessions of these entries that hold calls.

    Args:
        entries: what the model has not seen.
        reduce: a recorded message as the deployed model would give it; None where it would not.
        limit: ask at most so many calls, evenly spread.
    """
    digests = {entry.id: entry.content_digest for entry in entries}
    turns = [turn for entry in entries for turn in recorded_turns(entry, reduce=reduce)]
    sessions: dict[str, list[MeasuredTurn]] = {}
    for turn in spread(turns, limit):
        sessions.setdefault(turn.entry_id, []).append(turn)
    return [ReplayTask(found, digests[name]) for name, found in sessions.items()]


def agreement(calls: Sequence[Call], recorded: Sequence[Call]) -> Agreement:
    """How these calls stand to the recorded ones."""
    if list(calls) == list(recorded):
        return Agreement.EXACT
    return Agreement.EQUIVALENT if equivalent(calls, recorded) else Agreement.WRONG


def commonest_answer(tasks: Iterable[ReplayTask]) -> NullModel:
    """A null model that always makes the calls that were recorded most often.

    Raises:
        ValueError: there are no tasks.
    """
    counted = Counter(turn.calls for task in tasks for turn in task.turns)
    if not counted:
        raise ValueError("no recorded calls")
    # The first of equals in order of their text, whatever order the tasks have.
    calls = min(counted, key=lambda each: (-counted[each], each))
    answer: list[Block] = [
        {"type": "tool_use", "id": f"call_{number}", "name": name, "input": json.loads(given)}
        for number, (name, given) in enumerate(calls)
    ]
    return NullModel("commonest-call", lambda task, request: answer)
