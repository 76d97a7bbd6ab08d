# SPDX-License-Identifier: Apache-2.0
"""A promptfoo test with one of its prompts, as a task of one turn."""

import contextlib
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from node0.finetune.chat.messages import Block, Message, Request, text_of
from node0.finetune.eval.promptfoo.promptfoo_assert import PromptfooAssert
from node0.finetune.eval.running.task import Conversation
from node0.finetune.eval.schema import CheckOutcome


@dataclass(frozen=True)
class PromptfooTask:
    """One cell of promptfoo's table; nothing is run for it."""

    id: str
    category: str
    prompt: str
    asserts: Sequence[PromptfooAssert]
    role: str = ""
    difficulty: str = ""
    tags: Sequence[str] = ()
    actions: Sequence[str] = ()
    by_checks: bool = False

    @property
    def digest(self) -> str:
        """Of the prompt and what is asserted of its answer."""
        told = json.dumps([self.prompt, [[one.type, one.value] for one in self.asserts]], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()

    @contextlib.contextmanager
    def open(self) -> Iterator[Conversation]:
        """A trial."""
        yield _OneTurn(self)

    def request(self) -> Request:
        """The prompt as a user's turn, or as the turns that it lists in JSON, as chat prompts do."""
        turns = _turns(self.prompt)
        system = "\n\n".join(str(turn["content"]) for turn in turns if turn["role"] == "system")
        others = [turn for turn in turns if turn["role"] != "system"]
        return {"system": system, "tools": [], "messages": others}


class _OneTurn:
    def __init__(self, task: PromptfooTask) -> None:
        self._task, self._answer = task, ""
        self._request: Request | None = task.request()

    @property
    def request(self) -> Request | None:
        return self._request

    def answer(self, blocks: Sequence[Block]) -> None:
        self._answer = text_of({"role": "assistant", "content": list(blocks)})
        self._request = None

    def results(self) -> list[CheckOutcome]:
        return [one.judge(self._answer) for one in self._task.asserts]


def _turns(prompt: str) -> list[Message]:
    try:
        listed = json.loads(prompt)
    except (ValueError, RecursionError):
        listed = None
    fits = isinstance(listed, list) and all(
        isinstance(turn, dict)
        and turn.get("role") in ("system", "user", "assistant")
        and isinstance(turn.get("content"), str)
        for turn in listed
    )
    if fits and any(turn["role"] == "user" for turn in listed):
        return [{"role": turn["role"], "content": turn["content"]} for turn in listed]
    return [{"role": "user", "content": prompt}]
