# SPDX-License-Identifier: Apache-2.0
"""A model that knows every answer: what a sound suite passes."""

from collections.abc import Iterable, Sequence

from node0.finetune.chat.messages import Block, Request
from node0.finetune.eval.running.answerer import Sampling
from node0.finetune.eval.running.task import Task
from node0.finetune.eval.suite.item import EvalItem


def oracle(item: EvalItem, request: Request) -> list[Block]:
    """Answers with the item's reference, turn by turn."""
    turn = sum(message["role"] == "assistant" for message in request["messages"])
    answers: Sequence[list[Block]] = item.reference_answers()
    return list(answers[turn]) if turn < len(answers) else [{"type": "text", "text": "Done."}]


class Oracle:
    """The oracle as a model that a runner asks; it knows the items of the suite that it was given."""

    name = "oracle"
    digest = ""
    "Empty, so that no answer is kept: a reference may change where its item's question does not."

    def __init__(self, items: Iterable[EvalItem]) -> None:
        self._items = {item.id: item for item in items}

    def answer(self, task: Task, request: Request, sampling: Sampling) -> list[Block]:
        """The reference of the task's item."""
        return oracle(self._items[task.id], request)
