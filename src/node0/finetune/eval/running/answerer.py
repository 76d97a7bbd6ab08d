# SPDX-License-Identifier: Apache-2.0
"""`Answerer`: whatever answers a task; the plan's inference function is one."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from node0.finetune.chat.messages import Block, Request, text_of
from node0.finetune.eval.running.task import Task


@dataclass(frozen=True, slots=True)
class Sampling:
    """How one answer is drawn."""

    seed: int
    temperature: float
    "0 is greedy."

    max_tokens: int


class Answerer(Protocol):
    """A model, or what stands in for one. Called from several threads at once."""

    @property
    def name(self) -> str:
        """What it is called in a report."""

    @property
    def digest(self) -> str:
        """Another one where it may answer otherwise; empty where nobody can say."""

    def answer(self, task: Task, request: Request, sampling: Sampling) -> list[Block]:
        """Its answer to a request of this task; nothing where the request does not fit."""


@dataclass(frozen=True)
class PromptAnswerer:
    """An inference function from text to text, asked with all that the task says."""

    name: str
    ask: Callable[[str], str]
    digest: str = ""

    def answer(self, task: Task, request: Request, sampling: Sampling) -> list[Block]:
        """The text that it gives for the request's texts."""
        words = [request["system"], *(text_of(message) for message in request["messages"])]
        return [{"type": "text", "text": self.ask("\n\n".join(filter(None, words)))}]


def trial_seed(run_seed: int, item: str, *, epoch: int, turn: int) -> int:
    """The seed of one answer: of what is asked alone, so that no order of trials changes it."""
    named = f"{run_seed}/{item}/{epoch}/{turn}"
    return int.from_bytes(hashlib.sha256(named.encode()).digest()[:4], "big")
