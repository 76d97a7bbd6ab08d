# SPDX-License-Identifier: Apache-2.0
"""Corpora of sessions drawn from a world whose truth is known: who was where, did what, and how it ended.

A session is a task, steps (an action and what the world replies) and an ending. It is told with names of
its own, and with words, times, ids and listings that change nothing.
"""

from dataclasses import dataclass
from random import Random
from typing import Any

from tiny_chat import entry, system, user

from node0.finetune.corpus.schema import CorpusEntry, RecordedCall

TASKS = ("Mend {bead} of {rig}.", "Land {bead} in {place}.", "Ask {worker} about {bead}.")
ACTIONS = (
    "bd show {bead}",
    "bd close {bead} --reason 'done'",
    "git -C {place} log {commit}",
    "gt nudge {rig}/polecats/{worker}",
    "gt status",
    "",
)
"The last one is a word and no call."

REPLIES = (
    "{bead} is hooked by {rig}/polecats/{worker} at {moment}",
    "ok in {duration}",
    "{commit} lies in {place}",
    "nothing to do",
)
NAMES = {
    "bead": lambda draw: f"gt-{_letters(draw, 5)}",
    "rig": lambda draw: f"rig{_letters(draw, 6)}",
    "worker": lambda draw: f"w{_letters(draw, 7)}",
    "place": lambda draw: f"/tmp/{_letters(draw, 8)}",
    "commit": lambda draw: f"{draw.getrandbits(36):09x}a1",
}
PROSE = ("", "I look first.", "Next, then.", "This should do.")
OPENING = "You are {worker} in {rig}/polecats/{worker}; {place} is at {commit}."
BASH = {"name": "Bash", "description": "Run.", "input_schema": {"type": "object", "properties": {}}}


@dataclass(frozen=True)
class Told:
    """A session: what happened, and how it was recorded."""

    entry: CorpusEntry
    task: str
    steps: tuple[tuple[str, str], ...]
    "Action and reply, as templates."

    turns: tuple[int, ...]
    "Of each step, where its answer stands among the entry's turns."

    names: dict[str, str]

    def situation(self, step: int) -> tuple[Any, ...]:
        """What was known before a step."""
        return (self.task, self.steps[:step])


def draw_corpus(seed: int, *, sessions: int = 14) -> list[Told]:
    """Sessions of few tasks in a world of few replies, so that many begin alike."""
    draw = Random(seed)
    return [_session(draw, number) for number in range(sessions)]


def _session(draw: Random, number: int) -> Told:
    names = {name: made(draw) for name, made in NAMES.items()}
    task = draw.choice(TASKS[: draw.randint(1, 3)])
    steps = tuple(
        (draw.choices(ACTIONS, [5, 2, 2, 2, 2, 1])[0], draw.choices(REPLIES, [12, 2, 1, 1])[0])
        for _ in range(draw.randint(1, 5))
    )
    turns: list[dict[str, Any]] = [user(_filled(f"{OPENING} {task}", draw, names))]
    answers = []
    for action, reply in steps:
        if draw.random() < 0.3:
            turns.append(system("Today's date is 2026-03-02."))
        answers.append(len(turns))
        turns += _step(_filled(action, draw, names), _filled(reply, draw, names), draw)
    facts = {
        "id": f"e{number:03}", "session_id": f"session-{number}-{_letters(draw, 4)}",
        "bead_id": names["bead"], "rig": names["rig"],
        "outcome": draw.choices(("success", "failure", "escalated"), [5, 5, 1])[0],
    }  # fmt: skip
    return Told(_recorded(turns, answers, facts, draw), task, steps, tuple(answers), names)


def _recorded(
    turns: list[dict[str, Any]], answers: list[int], facts: dict[str, Any], draw: Random
) -> CorpusEntry:
    """With its requests, or as a conversation whose system text is its first turn."""
    if draw.random() < 0.5:
        return entry([system(f"Prompt number {draw.random()}."), *turns], tools=[BASH], **facts)
    return entry(
        turns,
        systems={"s": f"Prompt number {draw.random()}."},
        toolsets={"t": [BASH]},
        requests=[RecordedCall(n_messages=answer, system="s", tools="t") for answer in answers],
        **facts,
    )


def _step(command: str, reply: str, draw: Random) -> list[dict[str, Any]]:
    if not command:
        return [
            {"role": "assistant", "content": [{"type": "text", "text": "I am done."}]},
            user(reply),
        ]
    call = f"toolu_{_letters(draw, 10)}"
    given = {"command": command, **({"description": _letters(draw, 5)} if draw.random() < 0.5 else {})}
    words = draw.choice(PROSE)
    blocks = [{"type": "text", "text": words}] if words else []
    use = {"type": "tool_use", "id": call, "name": "Bash", "input": given}
    told = {"type": "tool_result", "tool_use_id": call, "content": f"{reply}\n"}
    return [{"role": "assistant", "content": [*blocks, use]}, {"role": "user", "content": [told]}]


def _filled(template: str, draw: Random, names: dict[str, str]) -> str:
    moment = f"2026-01-{draw.randint(10, 28)}T{draw.randint(10, 23)}:00:{draw.randint(10, 59)}Z"
    return template.format(**names, moment=moment, duration=f"{draw.random():.3f}s")


def _letters(draw: Random, count: int) -> str:
    return "".join(draw.choice("ghjkmnpqrtuvwxyz") for _ in range(count))
