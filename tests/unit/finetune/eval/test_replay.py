# SPDX-License-Identifier: Apache-2.0
from collections.abc import Callable
from typing import Any

from node0.finetune.chat.messages import Block, Message, Request, blocks
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.eval.replay import Agreement, replay, replay_rows


def _call(command: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": "1", "name": "Bash", "input": {"command": command}}


def _entry(name: str, role: str = "deacon", task_type: str = "patrol") -> CorpusEntry:
    """Two calls: the second one holds an id that the first one's result showed."""
    result = {"type": "tool_result", "tool_use_id": "1", "content": f"open: {name}-77"}
    return CorpusEntry.model_validate(
        {
            "id": name,
            "role": role,
            "rig": "hq",
            "task_type": task_type,
            "outcome": "success",
            "created_at": "2026-01-05T00:00:00Z",
            "messages": [
                {"role": "user", "content": "look after the beads"},
                {"role": "assistant", "content": [_call("bd list --status=open")]},
                {"role": "user", "content": [result]},
                {"role": "assistant", "content": [_call(f"bd close {name}-77")]},
                {"role": "user", "content": "thanks"},
                {"role": "assistant", "content": "nothing else"},
            ],
        }
    )


class _Model:
    """Answers each request as a function of its last message."""

    def __init__(self, rule: Callable[[str], str]) -> None:
        self._rule = rule
        self.asked: list[Request] = []

    def reduce(self, message: Message) -> Message | None:
        return message

    def answer(self, request: Request, *, max_tokens: int) -> list[Block]:
        self.asked.append(request)
        last = blocks(request["messages"][-1])[0]
        return [_call(self._rule(str(last.get("content") or last.get("text"))))]  # type: ignore[list-item]  # as JSON has it


def _perfect(last: str) -> str:
    return f"bd close {last.removeprefix('open: ')}" if last.startswith("open") else "bd list --status=open"


def test_each_recorded_call_is_asked_with_the_recorded_context() -> None:
    model = _Model(lambda last: "wrong")

    found = replay(model, [_entry("gt-a")], max_tokens=9)

    assert [len(request["messages"]) for request in model.asked] == [1, 3]
    assert [one.agreement for one in found] == [Agreement.WRONG] * 2
    assert [one.turn.depends for one in found] == [False, True]


def test_the_same_command_written_otherwise_is_equivalent() -> None:
    model = _Model(lambda last: _perfect(last).replace("--status=open", "--status  open"))

    found = replay(model, [_entry("gt-a")], max_tokens=9)

    assert [one.agreement for one in found] == [Agreement.EQUIVALENT, Agreement.EXACT]


def test_figures_are_counted_by_role_and_task_type() -> None:
    entries = [_entry("gt-a"), _entry("gt-b", task_type="mail"), _entry("gt-c", role="witness")]
    # Knows the first call, and of the ids that are shown one alone.
    model = _Model(lambda last: _perfect(last) if "gt-a" in last or "open" not in last else "bd close x")

    every, mail, patrol, witness = replay_rows(replay(model, entries, max_tokens=9))

    assert (every["role"], every["turns"], every["sessions"], every["exact"], every["wrong"]) == (
        "all",
        6,
        3,
        4,
        2,
    )
    assert (every["shown"], every["shown_agree"]) == (3, 1)
    assert (mail["task_type"], mail["score"]) == ("mail", 0.5)
    assert (patrol["exact"], patrol["wrong"]) == (2, 0)
    assert (witness["role"], witness["shown_agree"]) == ("witness", 0)
    assert every["low"] < every["score"] < every["high"]


def test_a_limit_asks_so_many_turns_evenly_spread() -> None:
    told: list[int] = []
    model = _Model(_perfect)

    found = replay(
        model, [_entry(f"gt-{n}") for n in range(5)], max_tokens=9, limit=5, on_turn=lambda: told.append(1)
    )

    assert len(found) == len(told) == 5
    assert len({one.turn.entry_id for one in found}) == 5


def test_no_turns_are_no_rows() -> None:
    assert replay_rows([]) == []
