# SPDX-License-Identifier: Apache-2.0
"""`Trial`: ask one item once: what a model is asked next, what its answer does, how it is judged.

with open_trial(item, sandbox) as trial:
    while (request := trial.request) is not None:
        trial.answer(ask(request))
    results = trial.results()
"""

import contextlib
from collections.abc import Iterator, Sequence

from node0.errors import SandboxUnavailable
from node0.finetune.chat.messages import Block, Message, Request, ToolResultBlock
from node0.finetune.eval.sandbox.sandbox_runner import SandboxRunner
from node0.finetune.eval.schema import CheckOutcome
from node0.finetune.eval.suite.evidence import Evidence, NoPlace, Place, Ran
from node0.finetune.eval.suite.item import EvalItem
from node0.finetune.eval.suite.place import bead_rows, open_place
from node0.finetune.eval.suite.proposals import Outcome, carry_out


class Trial:
    """One item, asked once. Not for several threads at a time."""

    def __init__(self, item: EvalItem, place: Place) -> None:
        self.item = item
        self._place = place
        self._answers: list[Sequence[Block]] = []
        self._ran: list[Ran] = []
        self._request: Request | None = item.request()

    @property
    def request(self) -> Request | None:
        """What the model is asked next; None when the trial is over."""
        return self._request

    def answer(self, blocks: Sequence[Block]) -> None:
        """Take the model's answer, and carry out what it proposes where the item runs something.

        Raises:
            ValueError: the trial is over.
        """
        if self._request is None:
            raise ValueError(f"{self.item.id}: the trial is over")
        self._answers.append(blocks)
        outcomes = carry_out(blocks, self._place) if self.item.runs else []
        self._ran += [each.ran for each in outcomes if each.ran is not None]
        goes_on = bool(outcomes) and len(self._answers) < self.item.turns
        self._request = _next(self._request, blocks, outcomes) if goes_on else None

    def results(self) -> list[CheckOutcome]:
        """Every check's result, in the item's order."""
        evidence = Evidence(
            self.item.role, self._answers, self._ran, bead_rows(self.item.setup.beads), self._place
        )
        return [check.judge(evidence) for check in self.item.checks]


@contextlib.contextmanager
def open_trial(item: EvalItem, sandbox: SandboxRunner | None) -> Iterator[Trial]:
    """A trial of an item, with a throwaway place of its own where it runs something.

    Raises:
        SandboxUnavailable: the item runs something, and no sandbox is given.
    """
    if not item.runs:
        yield Trial(item, NoPlace())
        return
    if sandbox is None:
        raise SandboxUnavailable(
            f"item {item.id} runs commands; give a sandbox (node0.finetune.eval.sandbox)"
        )
    with open_place(item.setup, sandbox) as place:
        yield Trial(item, place)


def _next(request: Request, blocks: Sequence[Block], outcomes: Sequence[Outcome]) -> Request:
    """The conversation with this answer, and what came of it."""
    results: list[Block] = []
    for outcome in outcomes:
        if outcome.call:
            result: ToolResultBlock = {
                "type": "tool_result",
                "tool_use_id": outcome.call,
                "content": outcome.text,
            }
            if outcome.is_error:
                result["is_error"] = True
            results.append(result)
        else:
            results.append({"type": "text", "text": outcome.text})
    said: Message = {"role": "assistant", "content": list(blocks)}
    heard: Message = {"role": "user", "content": results}
    return {**request, "messages": [*request["messages"], said, heard]}
