# SPDX-License-Identifier: Apache-2.0
"""Score exact tool calls on turns whose call holds a word that only a tool result showed.

An assistant turn is measured when one of its calls holds a word that stood in an earlier tool result
of the same conversation and in nothing else that the model was given: not in the system prompt, the
tools, or any words of a user or system turn. Such a call cannot be guessed from the instructions.
An answer is exact when it makes the same calls, in order, with equal names and inputs; words around
the calls do not count.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from node0.finetune.chat.harness import result_text
from node0.finetune.chat.messages import Block, Message, Request, Tool, blocks, text_of, tool_uses
from node0.finetune.chat.same_calls import Call, calls_of
from node0.finetune.corpus.schema import CorpusEntry

MIN_WORD = 3
"Shorter words say too little to tell where they come from."

_WORD = re.compile(r"[A-Za-z0-9_]+(?:[-./][A-Za-z0-9_]+)*")


@dataclass(frozen=True)
class MeasuredTurn:
    """One recorded request and the calls that answered it."""

    entry_id: str
    role: str
    request: Request
    calls: tuple[Call, ...]
    task_type: str = ""
    depends: bool = True
    "Whether a call holds a word that only an earlier tool result showed."


@dataclass(frozen=True)
class CallScore:
    """Exact tool calls over measured turns."""

    turns: int
    exact: int
    commonest: int
    "How many turns the best single constant answer gets right."

    commonest_call: str
    "That answer, as the input of its first call."

    @property
    def share(self) -> float:
        """Share of turns answered exactly."""
        return self.exact / self.turns if self.turns else 0.0

    @property
    def commonest_share(self) -> float:
        """Share that always giving the commonest answer gets."""
        return self.commonest / self.turns if self.turns else 0.0


def measured_turns(
    entry: CorpusEntry, *, reduce: Callable[[Message], Message | None] = lambda message: message
) -> list[MeasuredTurn]:
    """The turns of an entry whose calls depend on a tool result.

    Args:
        entry: A conversation; one without recorded requests has a request per assistant turn.
        reduce: How the deployed model would give the answer, from the recorded one. The request is
            left as recorded, for the renderer to reduce.
    """
    return [turn for turn in recorded_turns(entry, reduce=reduce) if turn.depends]


def recorded_turns(
    entry: CorpusEntry, *, reduce: Callable[[Message], Message | None] = lambda message: message
) -> list[MeasuredTurn]:
    """Every turn of an entry that makes a call, whatever the call depends on; arguments as above."""
    messages = cast(list[Message], entry.messages)
    found: list[MeasuredTurn] = []
    for number, system, tools in _recorded(entry):
        if number >= len(messages) or not tool_uses(messages[number]):
            continue
        request: Request = {"system": system, "tools": tools, "messages": messages[:number]}
        answer = reduce(messages[number])
        calls = calls_of(blocks(answer)) if answer else ()
        if calls:
            depends = depends_on_result(request, calls)
            found.append(MeasuredTurn(entry.id, entry.role, request, calls, entry.task_type, depends))
    return found


def depends_on_result(request: Request, calls: Sequence[Call]) -> bool:
    """Whether a call holds a word that only an earlier tool result showed."""
    shown: set[str] = set()
    given = words(request["system"]) | words(json.dumps(request["tools"], ensure_ascii=False))
    for message in request["messages"]:
        if message["role"] != "assistant":
            given |= words(text_of(message))
        for block in blocks(message):
            if block["type"] == "tool_result":
                shown |= words(result_text(block))
    return any(
        word in shown and word not in given for _, given_input in calls for word in _leaves(given_input)
    )


def score(turns: Sequence[MeasuredTurn], answers: Sequence[Sequence[Block]]) -> CallScore:
    """Compare a model's answers, one a turn, with the recorded calls."""
    exact = sum(calls_of(answer) == turn.calls for turn, answer in zip(turns, answers, strict=True))
    common = Counter(turn.calls for turn in turns).most_common(1)
    calls, count = common[0] if common else ((("", ""),), 0)
    return CallScore(len(turns), exact, count, calls[0][1])


def words(text: str) -> set[str]:
    """The words of a text, and the parts of those that are joined by -, . or /."""
    whole = {word for word in _WORD.findall(text) if len(word) >= MIN_WORD}
    return whole | {part for word in whole for part in re.split(r"[-./]", word) if len(part) >= MIN_WORD}


def _recorded(entry: CorpusEntry) -> list[tuple[int, str, list[Tool]]]:
    """Index of each answer with the system text and the tools it was asked under."""
    if entry.requests:
        last = {call.n_messages: call for call in entry.requests}
        return [
            (number, entry.systems.get(call.system, ""), _tools(entry.toolsets.get(call.tools, [])))
            for number, call in sorted(last.items())
        ]
    return [
        (number, "", _tools(entry.tools))
        for number, message in enumerate(entry.messages)
        if message.get("role") == "assistant"
    ]


def _tools(raw: list[dict[str, Any]]) -> list[Tool]:
    return cast(list[Tool], raw)


def _leaves(given: str) -> set[str]:
    """The words of every string in a call's input."""
    found: set[str] = set()
    stack: list[Any] = [json.loads(given)]
    while stack:
        value = stack.pop()
        if isinstance(value, str):
            found |= {word for word in _WORD.findall(value) if len(word) >= MIN_WORD}
        elif isinstance(value, dict):
            stack += value.values()
        elif isinstance(value, list):
            stack += value
    return found
