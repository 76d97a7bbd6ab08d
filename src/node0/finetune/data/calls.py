# SPDX-License-Identifier: Apache-2.0
"""Recorded calls of an entry, and which of them share a training row."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from node0.finetune.chat.messages import Message, Request, Tool, says_something, text_of, tool_uses
from node0.finetune.chat.profile import DeploymentProfile, rewrite_system, rewrite_tools
from node0.finetune.chat.tool_names import named_calls, named_tools
from node0.finetune.corpus.schema import CorpusEntry, RecordedCall


class Call(NamedTuple):
    """One call: it was sent `messages[:answer]` and answered `messages[answer]`."""

    system: str
    tools: list[Tool]
    answer: int


@dataclass
class Dialogue:
    """Calls that extend each other: one conversation under one prompt."""

    system: str
    tools: list[Tool]
    messages: Sequence[Message]
    answers: list[int] = field(default_factory=list)
    "Indices of the messages to learn, rising."

    def request(self, answer: int) -> Request:
        """What was sent for this answer."""
        return {"system": self.system, "tools": self.tools, "messages": list(self.messages[:answer])}


def dialogues(
    entry: CorpusEntry, profile: DeploymentProfile | None, copied: Collection[int] = ()
) -> tuple[list[Dialogue], Counter[str]]:
    """The entry's conversations, each answer in exactly one, and why answers are not learnt.

    Args:
        copied: Places in its messages of answers that are learnt in another entry.
    """
    messages, calls = recorded_calls(entry, profile)
    dropped: Counter[str] = Counter()
    found: dict[tuple[str, str], Dialogue] = {}
    for call in calls:
        reason = "copied" if call.answer in copied else _reason(call, messages, profile)
        if reason:
            dropped[reason] += 1
            continue
        key = _deployed(call, profile)
        dialogue = found.setdefault(key, Dialogue(call.system, call.tools, messages))
        dialogue.answers.append(call.answer)
    return list(found.values()), dropped


def recorded_calls(entry: CorpusEntry, profile: DeploymentProfile | None) -> tuple[list[Message], list[Call]]:
    """The entry's messages and the calls made over them, each answer once, in order.

    Tools of another harness than the profile's have the profile's names.

    An entry without recorded calls has one per assistant turn; its leading system turn is the
    prompt. Where tools are not known (older session files do not name them), they are the profile's.
    """
    if entry.requests:
        last = {call.n_messages: call for call in entry.requests}
        calls = [
            Call(entry.systems.get(call.system, ""), _tools(entry, call, profile), number)
            for number, call in sorted(last.items())
        ]
        return _named(as_messages(entry.messages), profile), calls
    system, tools, messages = unrecorded_prompt(entry, entry.messages, profile)
    answers = [number for number, message in enumerate(messages) if message["role"] == "assistant"]
    return messages, [Call(system, tools, number) for number in answers]


class DialoguePair(NamedTuple):
    """Two continuations of one prompt."""

    chosen: Dialogue
    rejected: Dialogue
    shared: int
    "How many messages are common to both: the prompt."


def dialogue_pair(
    entry: CorpusEntry, profile: DeploymentProfile | None, *, one_answer: bool
) -> DialoguePair | None:
    """The pair with its common prompt made explicit; None where a side has no answer of its own.

    `chosen` and `rejected` may be whole conversations or continue `messages`. Learnt are the
    answers after the common prompt, or with `one_answer` the first of them.
    """
    sides = [_side(entry, side or [], profile) for side in (entry.chosen, entry.rejected)]
    shared = 0
    for ours, theirs in zip(sides[0].messages, sides[1].messages, strict=False):
        if ours != theirs:
            break
        shared += 1
    for side in sides:
        own = range(shared, len(side.messages))
        answers = [number for number in own if _answers(side.messages[number])]
        side.answers = answers[:1] if one_answer else answers
    chosen, rejected = sides
    return DialoguePair(chosen, rejected, shared) if chosen.answers and rejected.answers else None


def _side(entry: CorpusEntry, side: list[dict[str, Any]], profile: DeploymentProfile | None) -> Dialogue:
    prompt = entry.messages
    whole = side if side[: len(prompt)] == prompt else [*prompt, *side]
    return Dialogue(*unrecorded_prompt(entry, whole, profile))


def _answers(message: Message) -> bool:
    return message["role"] == "assistant" and says_something(message)


def unrecorded_prompt(
    entry: CorpusEntry, raw: Sequence[dict[str, Any]], profile: DeploymentProfile | None
) -> tuple[str, list[Tool], list[Message]]:
    """System, tools and messages of a conversation that no recorded call describes."""
    messages = as_messages(raw)
    system = next(iter(entry.systems.values()), "")
    if messages and messages[0]["role"] == "system":
        system, messages = text_of(messages[0]), messages[1:]
    tools = as_tools(entry.tools or next(iter(entry.toolsets.values()), []))
    return system, tools or (profile.tool_list() if profile else []), messages


def as_messages(raw: Sequence[dict[str, Any]]) -> list[Message]:
    """Stored messages, which the corpus has checked."""
    return cast(list[Message], list(raw))


def as_tools(raw: Sequence[dict[str, Any]]) -> list[Tool]:
    """Stored tools, which the corpus has checked."""
    return cast(list[Tool], list(raw))


def _tools(entry: CorpusEntry, call: RecordedCall, profile: DeploymentProfile | None) -> list[Tool]:
    tools = as_tools(entry.toolsets.get(call.tools, []))
    if profile is None:
        return tools
    return named_tools(tools, profile) if tools or call.exact else profile.tool_list()


def _named(messages: list[Message], profile: DeploymentProfile | None) -> list[Message]:
    return messages if profile is None else [named_calls(message, profile) for message in messages]


def _deployed(call: Call, profile: DeploymentProfile | None) -> tuple[str, str]:
    """What tells one deployed prompt from another."""
    if profile is None:
        return call.system, repr(call.tools)
    return rewrite_system(call.system, profile), repr(rewrite_tools(call.tools, profile))


def _reason(call: Call, messages: Sequence[Message], profile: DeploymentProfile | None) -> str | None:
    if call.answer >= len(messages) or messages[call.answer]["role"] != "assistant":
        return "answer not recorded"
    answer = messages[call.answer]
    if not says_something(answer):
        return "empty answer"
    if profile is not None:
        offered = {tool["name"] for tool in rewrite_tools(call.tools, profile)}
        if any(use["name"] not in offered for use in tool_uses(answer)):
            return "tool outside the profile"
    return None
