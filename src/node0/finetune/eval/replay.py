# SPDX-License-Identifier: Apache-2.0
"""Replay a town's own sessions: at each recorded call the model is asked with the recorded context.

A session is a task and each of its calls a check. An answer is exact when it makes the recorded calls,
equivalent when it makes them written otherwise (`same_calls`), has the same effect when its commands do the
same in throwaway places (`effect`), else it is wrong. The next request is the recorded one, whatever was
answered.
"""

import contextlib
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from node0.finetune.chat.messages import Block, Message, Request, text_of
from node0.finetune.chat.same_calls import Call, calls_of, equivalent
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.eval.effect.same_effect import RULES, Effect
from node0.finetune.eval.held_out import spread
from node0.finetune.eval.running.null_models import NullModel
from node0.finetune.eval.running.task import Conversation
from node0.finetune.eval.schema import CheckOutcome
from node0.finetune.eval.tool_calls import MeasuredTurn, recorded_turns
from node0.finetune.registry.evaluations import REPLAY

MOST_TRIED = 10
"Answers of a session whose effect is looked for: what is judged may not depend on other sessions."


class Judge(Protocol):
    """What compares the effects of recorded and answered calls."""

    def can_try(self, recorded: Sequence[Call], answered: Sequence[Call]) -> bool:
        """Whether these can be compared at all."""

    def judge(self, recorded: Sequence[Call], answered: Sequence[Call]) -> Effect:
        """Compare them."""


class Agreement(StrEnum):
    """How an answer stands to the recorded one."""

    EXACT = "exact"
    EQUIVALENT = "equivalent"
    SAME_EFFECT = "same_effect"
    WRONG = "wrong"


@dataclass(frozen=True)
class ReplayTask:
    """The recorded calls of one session, in order; at least one."""

    turns: Sequence[MeasuredTurn]
    content_digest: str
    "Of the corpus entry."

    judge: Judge | None = None
    "Without one nothing is run, and calls are compared as texts alone."

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
        rules = [] if self.judge is None else [RULES]
        return hashlib.sha256(json.dumps([self.id, self.content_digest, asked, *rules]).encode()).hexdigest()

    @contextlib.contextmanager
    def open(self) -> Iterator[Conversation]:
        """Begin to replay it."""
        yield _Replay(self.turns, self.judge)


class _Replay:
    def __init__(self, turns: Sequence[MeasuredTurn], judge: Judge | None) -> None:
        self._turns, self._judge, self._tries = turns, judge, MOST_TRIED
        self._judged: list[CheckOutcome] = []

    @property
    def request(self) -> Request | None:
        over = len(self._judged) == len(self._turns)
        return None if over else self._turns[len(self._judged)].request

    def answer(self, blocks: Sequence[Block]) -> None:
        turn = self._turns[len(self._judged)]
        calls = calls_of(blocks)
        found = agreement(calls, turn.calls)
        reason = "recorded was " + "; ".join(f"{name} {given}" for name, given in turn.calls)
        if found is Agreement.WRONG:
            effect = self._effect(turn.calls, calls)
            found = Agreement.SAME_EFFECT if effect is Effect.SAME else found
            reason += ", which was seen to do something else" if effect is Effect.OTHER else ""
        passed = found is not Agreement.WRONG
        self._judged.append(CheckOutcome(check=found.value, passed=passed, reason=reason))

    def _effect(self, recorded: Sequence[Call], calls: Sequence[Call]) -> Effect:
        if self._judge is None or not self._tries or not self._judge.can_try(recorded, calls):
            return Effect.UNKNOWN
        self._tries -= 1
        return self._judge.judge(recorded, calls)

    def results(self) -> Sequence[CheckOutcome]:
        return self._judged


def replay_tasks(
    entries: Iterable[CorpusEntry],
    *,
    reduce: Callable[[Message], Message | None] = lambda message: message,
    limit: int | None = None,
    judge: Judge | None = None,
) -> list[ReplayTask]:
    """The sessions of these entries that hold calls.

    Args:
        entries: what the model has not seen.
        reduce: a recorded message as the deployed model would give it; None where it would not.
        limit: ask at most so many calls, evenly spread.
        judge: compares what recorded and answered calls do.
    """
    digests = {entry.id: entry.content_digest for entry in entries}
    turns = [turn for entry in entries for turn in recorded_turns(entry, reduce=reduce)]
    sessions: dict[str, list[MeasuredTurn]] = {}
    for turn in spread(turns, limit):
        sessions.setdefault(turn.entry_id, []).append(turn)
    return [ReplayTask(found, digests[name], judge) for name, found in sessions.items()]


def agreement(calls: Sequence[Call], recorded: Sequence[Call]) -> Agreement:
    """How these calls stand to the recorded ones, as texts."""
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
