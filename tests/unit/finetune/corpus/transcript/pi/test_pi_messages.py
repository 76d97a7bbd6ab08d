# SPDX-License-Identifier: Apache-2.0
from typing import Any

import pytest

from node0.finetune.corpus.transcript.pi.pi_messages import NO_RESULT, entry_turn, with_results
from node0.finetune.corpus.transcript.turns import REPEATED, Turn

TEXT = {"type": "text", "text": "x"}
CALL = {"type": "toolCall", "id": "a", "name": "bash", "arguments": {"command": "ls"}}


def entry(role: str, content: Any = (TEXT,), **more: Any) -> dict[str, Any]:
    content = list(content) if isinstance(content, tuple) else content
    message = {"role": role, "content": content, **more}
    return {"type": "message", "id": "e1", "timestamp": "2026-01-05T06:00:00Z", "message": message}


def test_what_a_user_says_is_text_or_parts() -> None:
    picture = {"type": "image", "data": "AAAA", "mimeType": "image/png"}

    plain, parts = (
        entry_turn(entry("user", "x")),
        entry_turn(entry("user", (TEXT, picture, {"type": "other"}))),
    )

    assert plain is not None
    assert parts is not None
    assert (plain.role, plain.content, plain.at, plain.name) == ("user", [TEXT], "2026-01-05T06:00:00Z", "e1")
    assert parts.content == [TEXT, {"type": "image"}]


def test_an_answer_holds_words_and_calls_but_no_thoughts() -> None:
    thought = {"type": "thinking", "thinking": "Hm."}

    turn = entry_turn(entry("assistant", (thought, TEXT, CALL), stopReason="toolUse", model="deacon:1"))

    assert turn is not None
    call = {"type": "tool_use", "id": "a", "name": "bash", "input": {"command": "ls"}}
    assert (turn.content, turn.unlearnt, turn.model) == ([TEXT, call], "", "deacon:1")


@pytest.mark.parametrize(
    ("stop", "why"), [("stop", ""), ("toolUse", ""), (None, ""), ("length", "answer that was cut: length")]
)
def test_an_answer_that_was_cut_is_context_only(stop: str | None, why: str) -> None:
    turn = entry_turn(entry("assistant", stopReason=stop))

    assert turn is not None
    assert turn.unlearnt == why


@pytest.mark.parametrize("stop", ["error", "aborted"])
def test_an_answer_that_failed_is_not_sent_again(stop: str) -> None:
    assert entry_turn(entry("assistant", stopReason=stop)) is None


def test_a_result_says_whether_it_failed() -> None:
    good = entry_turn(entry("toolResult", toolCallId="a", isError=False))
    bad = entry_turn(entry("toolResult", (TEXT, {"type": "image"}), toolCallId="a", isError=True))

    assert good is not None
    assert bad is not None
    assert good.content == [{"type": "tool_result", "tool_use_id": "a", "content": "x"}]
    assert (bad.content[0]["is_error"], bad.content[0]["content"]) == (True, [TEXT, {"type": "image"}])


def test_what_an_extension_and_a_command_said_reaches_the_model() -> None:
    told = entry_turn({"type": "custom_message", "id": "e", "content": "[GAS TOWN] role:deacon"})
    ran = entry_turn(entry("bashExecution", None, command="ls", output="a"))
    hidden = entry_turn(entry("bashExecution", None, command="ls", output="a", excludeFromContext=True))

    assert told is not None
    assert ran is not None
    assert (told.role, told.content[0]["text"]) == ("user", "[GAS TOWN] role:deacon")
    assert ran.content[0]["text"] == "$ ls\na"
    assert hidden is None


def test_a_summary_is_a_turn_of_the_user() -> None:
    for kind in ("compaction", "branch_summary"):
        turn = entry_turn({"type": kind, "id": "e", "summary": "All."})
        assert turn is not None
        assert turn.content[0]["text"] == "<summary>\nAll.\n</summary>"
    assert entry_turn({"type": "branch_summary", "id": "e"}) is None


def test_an_answer_that_is_repeated_says_so() -> None:
    turn = entry_turn(entry("assistant", stopReason="stop"), REPEATED)

    assert turn is not None
    assert turn.unlearnt == REPEATED


@pytest.mark.parametrize(
    "value",
    [{}, {"type": "message"}, {"type": "label"}, entry("system"), entry("user", 3), entry("assistant", ())],
)
def test_what_the_model_never_meets_is_no_turn(value: dict[str, Any]) -> None:
    assert entry_turn(value) is None


def test_each_call_has_a_result_before_the_next_words() -> None:
    calls = Turn(
        "assistant", [{"type": "tool_use", "id": name, "name": "bash", "input": {}} for name in "ab"]
    )
    result = Turn("user", [{"type": "tool_result", "tool_use_id": "b", "content": "ok"}])
    words = Turn("user", [TEXT])

    _, behind, last = with_results([calls, result, words])

    missing = {"type": "tool_result", "tool_use_id": "a", "content": NO_RESULT, "is_error": True}
    assert (behind.content, last) == ([*result.content, missing], words)
    assert [len(turn.content) for turn in with_results([calls, result])] == [2, 1]
    assert [len(turn.content) for turn in with_results([calls, words])] == [2, 2, 1]
