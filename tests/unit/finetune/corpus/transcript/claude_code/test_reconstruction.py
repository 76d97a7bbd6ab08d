# SPDX-License-Identifier: Apache-2.0
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from session_reading import read, requests

Make = Callable[..., Any]


def test_without_a_log_the_same_requests_are_reconstructed(busy: Any, tmp_path: Path) -> None:
    busy.lines = [line for line in busy.lines if not line["type"].startswith("api-request")]

    rows, _ = read(busy.write(tmp_path / "s.jsonl"))

    assert [sent[0] for sent in requests(rows)] == [sent[0] for sent in busy.sent]
    assert not any(call.exact for call in rows[0].calls)


def test_an_error_shown_as_an_answer_is_none(harness: Make, blocks: dict[str, Make], tmp_path: Path) -> None:
    session = harness(log=False)
    session.prompt("Try.")
    session.line(
        "assistant", message={"id": "e", "role": "assistant", "content": [blocks["text"]("API Error")]}
    )
    session.lines[-1]["isApiErrorMessage"] = True
    session.answer(blocks["text"]("Worked."))

    rows, _ = read(session.write(tmp_path / "s.jsonl"))

    assert "API Error" not in json.dumps(rows[0].messages)
    assert len(rows[0].calls) == 1


def test_a_prompt_snapshot_gives_system_and_tools_where_nothing_is_logged(
    harness: Make, blocks: dict[str, Make], tmp_path: Path
) -> None:
    session = harness(log=False)
    tool = {"name": "Bash", "description": "Run.", "input_schema": {"type": "object"}}
    snapshot = {"type": "prompt_snapshot", "systemPrompt": ["One.", "Two."], "cliPrefix": "Zero."}
    session.prompt("Go.")
    session.line("attachment", attachment=snapshot | {"tools": [{"name": "Bash", "schema": tool}]})
    session.answer(blocks["text"]("Gone."))

    rows, _ = read(session.write(tmp_path / "s.jsonl"))

    shape = rows[0].calls[0].shape
    assert (shape.system, shape.tools) == (("Zero.", "One.\n\nTwo."), (tool,))


def test_what_stands_between_two_answers_is_joined_as_the_harness_does(
    harness: Make, blocks: dict[str, Make], tmp_path: Path
) -> None:
    session = harness(log=False)
    session.prompt("Go.")
    session.answer(blocks["call"]("t1"))
    session.user(blocks["result"]("t1"))
    session.line("attachment", attachment={"type": "x"}, rendered=[{"content": "A reminder."}])
    hook = "<system-reminder>\nA hook.\n</system-reminder>"
    session.line("attachment", attachment={"type": "x"}, rendered=hook, renderedRole="system")
    session.prompt("And?")
    session.answer(blocks["text"]("Done."))

    (made,), _ = read(session.write(tmp_path / "s.jsonl"))

    between, system = made.messages[2:4]
    assert [block.get("text") for block in between["content"]] == [None, "A reminder.\n", "And?"]
    assert system == {"role": "system", "content": [blocks["text"]("A hook.")]}


def test_a_call_with_too_much_before_it_is_counted_and_left_out(
    harness: Make, blocks: dict[str, Make], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node0.finetune.corpus.transcript.claude_code.reconstruction.MAX_HELD", 4096)
    session = harness(log=False)
    session.prompt("Go.")
    session.answer(blocks["text"]("One."))
    session.prompt("x" * 5000)
    session.answer(blocks["text"]("Two."))

    (made,), skipped = read(session.write(tmp_path / "s.jsonl"))

    assert [call.answer_id for call in made.calls] == ["msg_1"]
    assert len(made.messages) == 2
    assert skipped["call with more than 48 MB before it"] == 1
