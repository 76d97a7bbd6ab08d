# SPDX-License-Identifier: Apache-2.0
"""Tasks and models for tests of evaluation: questions with one right word, models that know it or not."""

import contextlib
import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from node0.finetune.chat.messages import Block, Request, text_of
from node0.finetune.eval.running.answerer import Sampling
from node0.finetune.eval.running.task import Conversation, Task
from node0.finetune.eval.schema import CheckOutcome


@dataclass(frozen=True)
class WordTask:
    """Passes an answer that is its own id, after as many turns as it takes."""

    id: str
    category: str = "words"
    role: str = "deacon"
    difficulty: str = "easy"
    tags: Sequence[str] = ("word",)
    actions: Sequence[str] = ()
    turns: int = 1
    by_checks: bool = False

    @property
    def prompt(self) -> str:
        return f"say {self.id[::-1]} backwards <b>&"

    @property
    def digest(self) -> str:
        return hashlib.sha256(f"{self.category} {self.id} {self.turns}".encode()).hexdigest()

    @contextlib.contextmanager
    def open(self) -> Iterator[Conversation]:
        yield _Trial(self)


class _Trial:
    def __init__(self, task: WordTask) -> None:
        self._task = task
        self._said: list[str] = []

    @property
    def request(self) -> Request | None:
        if len(self._said) == self._task.turns:
            return None
        turns = [{"role": "user", "content": self._task.prompt}]
        for said in self._said:
            turns += [{"role": "assistant", "content": said}, {"role": "user", "content": "again"}]
        return {"system": "a card", "tools": [], "messages": turns}  # type: ignore[typeddict-item]  # as JSON has it

    def answer(self, blocks: Sequence[Block]) -> None:
        self._said.append(text_of({"role": "assistant", "content": list(blocks)}))

    def results(self) -> list[CheckOutcome]:
        last = self._said[-1]
        return [
            CheckOutcome(check="is the word", passed=last == self._task.id, reason=f"said {last!r}"),
            CheckOutcome(check="is short", passed=len(last) < 40, reason=f"{len(last)} characters"),
        ]


@dataclass
class Guesser:
    """Says the word with a chance that its seed decides; counts how often it was asked."""

    chance: Callable[[str], float] = lambda category: 0.5
    name: str = "guesser:1"
    digest: str = "d1"
    asked: int = 0
    fails_after: int | None = None

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def answer(self, task: Task, request: Request, sampling: Sampling) -> list[Block]:
        with self._lock:
            self.asked += 1
            if self.fails_after is not None and self.asked > self.fails_after:
                raise KeyboardInterrupt
        knows = Random(sampling.seed).random() < self.chance(task.category)
        return [{"type": "text", "text": task.id if knows else "</script><script>alert(1)</script>"}]


def words(category: str = "words", count: int = 10, **more: object) -> list[Task]:
    return [WordTask(f"word-{number:02}", category, **more) for number in range(count)]  # type: ignore[arg-type]  # any field of it
