# SPDX-License-Identifier: Apache-2.0
"""Make trajectories of turns in their order: what readers of harnesses without a request log share.

Such a reader gives the turns as the harness sent them, and says which answers are context only. Tools are
those that answers called, with the inputs that they were given: these harnesses record no definitions.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from node0.documents.json_document import MAX_DEPTH, depth_exceeds
from node0.finetune.corpus.transcript.trajectory import (
    RebuiltCall,
    RequestShape,
    Trajectory,
    up_to_last_answer,
)
from node0.finetune.corpus.transcript.wire_messages import MAX_HELD, TOO_LARGE, WireMessage, held

MISSING_CALL = "answer behind the result of a call that is not in the file"
MISSING_RESULT = "answer behind a call whose result is not in the file"
NO_BEGINNING = "answer whose beginning is not in the file"
TOO_DEEP = f"answer at or behind a line nested over {MAX_DEPTH} deep"
REPEATED = "answer that a compaction or a resume repeats"
REWOUND = "line off the active path"
CUT = "answer that was interrupted"
SUMMARY = "summary that the harness asked for"
NO_OBJECT_INPUT = "answer with a call whose input is no JSON object"


@dataclass(frozen=True, slots=True)
class Turn:
    """One message, in wire form."""

    role: str
    "user, assistant or system."

    content: Sequence[WireMessage]
    at: str = ""
    "ISO 8601, UTC."

    name: str = ""
    "As the harness names it; empty where it does not."

    unlearnt: str = ""
    "Why an answer is context only; empty where it is to be learnt."

    model: str = ""
    "That gave an answer, as the harness recorded it; empty where it does not tell."


@dataclass(frozen=True, slots=True)
class NewContext:
    """What the model has before it begins anew here, as behind a compaction."""

    whole: bool = True
    "The turns that follow tell all of it."


@dataclass(frozen=True, slots=True)
class Rewind:
    """The turn of this name and all behind it were taken back."""

    name: str


Step = Turn | NewContext | Rewind


def trajectories_of(
    steps: Iterable[Step],
    *,
    agent: str = "",
    system: Sequence[str] = (),
    lasting_names: bool = False,
    skipped: Counter[str],
) -> Iterator[Trajectory]:
    """A trajectory for each context that holds an answer to learn.

    Args:
        agent: Empty for the main conversation, else the sidechain's name.
        system: The system prompt, where the harness records it.
        lasting_names: Turns keep their names where the harness copies them into another session.
        skipped: Takes the count of answers that are not learnt, by reason.
    """
    begin = partial(_Context, agent, tuple(system), lasting_names, skipped)
    context = begin()
    for step in steps:
        if isinstance(step, Turn):
            context.add(step)
        elif isinstance(step, Rewind):
            context.rewind(step.name)
        else:
            yield from context.finished()
            context = begin(torn="" if step.whole else NO_BEGINNING)
    yield from context.finished()


@dataclass
class _Context:
    """What the model had before it, up to a bound of memory."""

    agent: str
    system: tuple[str, ...]
    lasting_names: bool
    skipped: Counter[str]
    torn: str = ""
    "Why no answer from here on is learnt; empty while nothing is missing."

    turns: list[Turn] = field(default_factory=list)
    size: int = 0
    named: Counter[str] = field(default_factory=Counter)
    "Turns by name."

    made: set[str] = field(default_factory=set)
    "Ids of calls."

    waiting: set[str] = field(default_factory=set)
    "Ids of calls that have no result yet."

    def add(self, turn: Turn) -> None:
        """Put a turn behind the others, and count an answer that is not learnt."""
        if self.size > MAX_HELD:
            self.torn = self.torn or TOO_LARGE
        elif depth_exceeds(list(turn.content)):
            self.torn = self.torn or TOO_DEEP
        else:
            self._look_for_gaps(turn)
        answer = turn.role == "assistant"
        why = answer and (turn.unlearnt or self.torn)
        if why:
            self.skipped[why] += 1
        if self.torn not in (TOO_LARGE, TOO_DEEP):
            kept = replace(turn, unlearnt=why or "")
            self.turns.append(kept)
            self.named[turn.name] += turn.name != ""
            self.size += held(list(turn.content))

    def rewind(self, name: str) -> None:
        """Take back a turn and all behind it; one that is not here takes back nothing."""
        if not self.named[name]:
            return
        last = ""
        while last != name:
            last = self.turns.pop().name
            self.named[last] -= last != ""
            self.skipped[REWOUND] += 1
        self.waiting.clear()

    def finished(self) -> Iterator[Trajectory]:
        """The trajectory, where an answer in it is to be learnt."""
        learnt = [number for number, turn in enumerate(self.turns) if _is_learnt(turn)]
        if not learnt:
            return
        shape = RequestShape(self.system, tuple(_called_tools(self.turns)))
        calls = [
            RebuiltCall(
                number,
                shape,
                exact=False,
                at=turn.at,
                answer_id=turn.name or str(number),
                lasting_id=f"{turn.name} {turn.at}" if self.lasting_names and turn.name else "",
                model=turn.model,
            )
            for number in learnt
            for turn in (self.turns[number],)
        ]
        messages = [{"role": turn.role, "content": list(turn.content)} for turn in self.turns]
        made = Trajectory(self.agent, messages, calls)
        if self.torn == TOO_LARGE:
            up_to_last_answer(made)
        yield made

    def _look_for_gaps(self, turn: Turn) -> None:
        """Notice a result without its call, and an answer where a call before it has no result."""
        if turn.role == "assistant" and self.waiting:
            self.torn = self.torn or MISSING_RESULT
        for block in turn.content:
            if block.get("type") == "tool_use":
                self.made.add(block["id"])
                self.waiting.add(block["id"])
            elif block.get("type") == "tool_result":
                if block["tool_use_id"] not in self.made:
                    self.torn = self.torn or MISSING_CALL
                self.waiting.discard(block["tool_use_id"])


def _is_learnt(turn: Turn) -> bool:
    return turn.role == "assistant" and not turn.unlearnt


def _called_tools(turns: Iterable[Turn]) -> Iterator[WireMessage]:
    """The tools that answers called, each with the inputs that it was given.

    What is in answers of nobody's own words need not be a tool.
    """
    inputs: dict[str, dict[str, WireMessage]] = {}
    for turn in (turn for turn in turns if turn.unlearnt in ("", REPEATED)):
        for block in turn.content:
            if block.get("type") == "tool_use":
                given = block["input"]
                inputs.setdefault(str(block["name"]), {}).update({name: {} for name in given})
    for name, properties in inputs.items():
        schema = {"type": "object", "properties": properties}
        yield {"name": name, "description": "", "input_schema": schema}
