# SPDX-License-Identifier: Apache-2.0
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from node0.finetune.corpus.transcript.claude_code.session_file import SessionFile
from node0.finetune.corpus.transcript.trajectory import Trajectory

Make = Callable[..., Any]


def read(path: Path) -> tuple[list[Trajectory], dict[str, int]]:
    transcript = SessionFile(path)
    rows = list(transcript.trajectories())
    return rows, dict(transcript.skipped)


def requests(rows: list[Trajectory]) -> list[tuple[Any, Any, Any]]:
    return [
        (row.messages[: call.n_messages], list(call.shape.system), list(call.shape.tools))
        for row in rows
        for call in row.calls
    ]


@pytest.fixture
def busy(harness: Make, blocks: dict[str, Make]) -> Any:
    """A session with words, single, parallel and failing tools, and a system turn in the middle."""
    text, call, result = blocks["text"], blocks["call"], blocks["result"]
    session = harness()
    session.prompt("Start the patrol, größer ❯ 🏭.")
    session.system("Today is Monday.")
    session.answer(text("Looking."), call("t1"))
    session.user(result("t1", "two agents\nstale"))
    session.answer(call("t2"), call("t3"))
    session.parallel_results(result("t2", "ok"), result("t3", "no such rig", is_error=True))
    session.system("The hook says hello.")
    session.answer(text("All is well."))
    session.prompt("And again.")
    session.answer(text("Again well."))
    return session


def test_every_logged_request_is_rebuilt_as_it_was_sent(busy: Any, tmp_path: Path) -> None:
    rows, _ = read(busy.write(tmp_path / "s.jsonl"))

    assert requests(rows) == busy.sent
    assert len(rows) == 1
    assert all(call.exact for call in rows[0].calls)
    answers = [rows[0].messages[call.n_messages] for call in rows[0].calls]
    assert [len(answer["content"]) for answer in answers] == [2, 2, 1, 1]


def test_without_a_log_the_same_requests_are_reconstructed(busy: Any, tmp_path: Path) -> None:
    busy.lines = [line for line in busy.lines if not line["type"].startswith("api-request")]

    rows, _ = read(busy.write(tmp_path / "s.jsonl"))

    assert [sent[0] for sent in requests(rows)] == [sent[0] for sent in busy.sent]
    assert not any(call.exact for call in rows[0].calls)


def test_answers_are_matched_by_position_where_lines_name_no_request(busy: Any, tmp_path: Path) -> None:
    for line in busy.lines:
        line.pop("requestRef", None)

    rows, _ = read(busy.write(tmp_path / "s.jsonl"))

    assert requests(rows) == busy.sent


@pytest.mark.parametrize(
    "line", [{"type": "novel", "uuid": "n1"}, {"type": "mode", "mode": "plan"}, {"type": "novel"}]
)
def test_other_lines_are_counted_and_change_nothing(busy: Any, tmp_path: Path, line: dict[str, Any]) -> None:
    busy.lines.insert(4, line)

    rows, skipped = read(busy.write(tmp_path / "s.jsonl"))

    assert requests(rows) == busy.sent
    assert skipped["mode line" if line["type"] == "mode" else "line of unknown type"] == 1


def test_a_message_that_was_changed_is_not_called_exact(busy: Any, tmp_path: Path) -> None:
    """The negative twin of the proof: one letter of one tool result."""
    path = busy.write(tmp_path / "s.jsonl")
    path.write_text(path.read_text().replace("two agents", "ten agents"))

    rows, skipped = read(path)

    calls = sorted((call.answer_id, call.exact) for row in rows for call in row.calls)
    assert calls == [("msg_1", True), ("msg_2", False), ("msg_3", False), ("msg_4", False)]
    assert skipped["answer without a proven request (reconstructed)"] == 3


def test_a_logged_message_or_shape_with_a_wrong_hash_is_not_used(busy: Any, tmp_path: Path) -> None:
    for line in busy.lines:
        if line["type"] == "api-request-blob":
            line["message"] = {"role": "system", "content": "forged"}
    rows, skipped = read(busy.write(tmp_path / "s.jsonl"))
    assert not any(call.exact for row in rows for call in row.calls)
    assert skipped["request message with a wrong hash"] == 2
    assert "forged" not in json.dumps([row.messages for row in rows])

    busy.lines[0]["shape"] = {"system": "forged", "tools": []}
    rows, skipped = read(busy.write(tmp_path / "s.jsonl"))
    assert skipped["request shape with a wrong hash"] == 1


def test_lines_that_a_resumed_session_repeats_count_once(busy: Any, tmp_path: Path) -> None:
    busy.lines += [line for line in busy.lines if "uuid" in line][:5]

    rows, skipped = read(busy.write(tmp_path / "s.jsonl"))

    assert requests(rows) == busy.sent
    assert skipped["duplicated line"] == 5


def test_a_torn_last_line_loses_only_itself(busy: Any, tmp_path: Path) -> None:
    path = busy.write(tmp_path / "s.jsonl")
    path.write_bytes(path.read_bytes()[:-20])

    rows, skipped = read(path)

    assert requests(rows) == busy.sent[:-1]
    assert skipped["torn last line"] == 1
    assert skipped["request without an answer on the active path"] == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"\x00\xff\xfe" * 1000,
        b"[1, 2]\n3\nnull\n",
        b'{"type": "user"}\n{"type": "assistant", "uuid": 7, "message": []}\n',
        b'{"type": "user", "uuid": "a", "message": {"role": "user", "content": 7}}\n',
        b'{"type": "api-request", "id": "x", "keep": "y", "tail": 4}\n{"type": "api-request-blob"}\n',
        b'{"type": "attachment", "uuid": "a", "attachment": 3}\n',
        b"[" * 100_000,
    ],
    ids=[
        "empty",
        "blank",
        "binary",
        "no objects",
        "no message",
        "no content",
        "bad log",
        "bad attachment",
        "deep",
    ],
)
def test_a_file_of_rubbish_gives_counts_and_no_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "s.jsonl"
    path.write_bytes(content)

    rows, skipped = read(path)

    assert not any(row.calls for row in rows)
    assert sum(skipped.values()) > 0 or not content.strip()


def test_an_abandoned_branch_is_counted_and_not_learnt(
    harness: Make, blocks: dict[str, Make], tmp_path: Path
) -> None:
    text = blocks["text"]
    session = harness(log=False)
    session.prompt("First.")
    fork = session.parent
    session.answer(text("A wrong answer."))
    session.parent = fork
    session.answer(text("A right answer."))
    session.prompt("Go on.")
    session.answer(text("Done."))

    rows, skipped = read(session.write(tmp_path / "s.jsonl"))

    assert "wrong" not in json.dumps(rows[0].messages)
    assert [call.answer_id for call in rows[0].calls] == ["msg_2", "msg_3"]
    assert skipped["line off the active path"] == 1


def test_a_rewound_logged_answer_starts_a_row_of_its_own_or_is_left_out(
    harness: Make, blocks: dict[str, Make], tmp_path: Path
) -> None:
    text = blocks["text"]
    session = harness()
    session.prompt("First.")
    fork, said = session.parent, list(session._messages)
    session.answer(text("A wrong answer."))
    session.parent, session._messages = fork, said
    session.answer(text("A right answer."))

    rows, skipped = read(session.write(tmp_path / "s.jsonl"))

    assert [row.messages[-1]["content"][0]["text"] for row in rows] == ["A right answer."]
    assert skipped["request without an answer on the active path"] == 1


def test_a_request_that_builds_on_an_abandoned_one_is_exact(
    harness: Make, blocks: dict[str, Make], tmp_path: Path
) -> None:
    """After a rewind the log keeps the beginning of the last request and leaves its end behind."""
    text, call, result = blocks["text"], blocks["call"], blocks["result"]
    session = harness()
    session.prompt("First.")
    session.answer(text("One."))
    fork, said = session.parent, list(session._messages)
    session.prompt("Wrong.")
    session.answer(call("t1"))
    session.user(result("t1"))
    session.answer(text("Wrong."))
    session.parent, session._messages = fork, said
    session.prompt("Right.")
    session.answer(text("Right."))

    rows, skipped = read(session.write(tmp_path / "s.jsonl"))

    assert [line["keep"] for line in session.lines if line["type"] == "api-request"] == [0, 1, 3, 2]
    assert requests(rows) == [session.sent[0], session.sent[3]]
    assert all(call.exact for row in rows for call in row.calls)
    assert skipped["request without an answer on the active path"] == 2


def test_compaction_cuts_the_conversation(harness: Make, blocks: dict[str, Make], tmp_path: Path) -> None:
    for log in (True, False):
        session = harness(log=log)
        session.prompt("First.")
        session.answer(blocks["text"]("One."))
        session.compact("We had said one.")
        session.answer(blocks["text"]("Two."))

        rows, _ = read(session.write(tmp_path / "s.jsonl"))

        assert [len(row.messages) for row in rows] == [2, 2]
        assert [sent[0] for sent in requests(rows)] == [sent[0] for sent in session.sent]


def test_a_request_that_rewrites_earlier_turns_begins_a_row(
    harness: Make, blocks: dict[str, Make], tmp_path: Path
) -> None:
    """The harness clears old tool results when the context fills."""
    text, call, result = blocks["text"], blocks["call"], blocks["result"]
    session = harness()
    session.prompt("First.")
    session.answer(call("t1"))
    session.user(result("t1", "long output"))
    session.answer(text("Seen."))
    session.prompt("Next.")
    cleared = {"role": "user", "content": [result("t1", "[cleared]")]}
    session._messages[2] = cleared
    session.lines.append({"type": "api-request-blob", "hash": _digest(cleared), "message": cleared})
    session.answer(text("Done."))

    rows, _ = read(session.write(tmp_path / "s.jsonl"))

    assert requests(rows) == session.sent
    assert [len(row.calls) for row in rows] == [2, 1]


def test_sidechains_are_conversations_of_their_own(
    harness: Make, blocks: dict[str, Make], tmp_path: Path
) -> None:
    main, side = harness(log=False), harness(log=False, isSidechain=True)
    main.prompt("Start.")
    main.answer(blocks["text"]("Started."))
    side.prompt("Look into it.")
    side.answer(blocks["text"]("Looked."))
    for line in side.lines:
        line["uuid"] = "side-" + line["uuid"]
        line["parentUuid"] = line["parentUuid"] and "side-" + line["parentUuid"]
        line["message"]["id"] = "side-" + line["message"].get("id", "")
    main.lines[1:1] = side.lines

    rows, _ = read(main.write(tmp_path / "s.jsonl"))

    assert [row.messages[-1]["content"][0]["text"] for row in rows] == ["Started.", "Looked."]
    assert rows[0].agent == ""
    assert rows[1].agent


def test_thinking_stays_in_the_proof(harness: Make, blocks: dict[str, Make], tmp_path: Path) -> None:
    session = harness()
    session.prompt("Think.")
    session.answer({"type": "thinking", "thinking": "hm", "signature": "s"}, blocks["text"]("Thought."))
    session.prompt("More.")
    session.answer(blocks["text"]("Done."))

    rows, _ = read(session.write(tmp_path / "s.jsonl"))

    assert requests(rows) == session.sent
    assert len(rows) == 1


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


def test_a_line_without_end_is_passed_over(
    harness: Make, blocks: dict[str, Make], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node0.finetune.corpus.transcript.claude_code.session_lines.MAX_LINE", 4096)
    session = harness(log=False)
    session.prompt("Go.")
    session.answer(blocks["text"]("Gone."))
    session.lines.insert(1, {"type": "progress", "uuid": "p", "data": "x" * 20_000})

    rows, skipped = read(session.write(tmp_path / "s.jsonl"))

    assert skipped["line over 24 MB"] == 1
    assert len(rows[0].calls) == 1


def _digest(value: Any) -> str:
    import hashlib

    line = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(line.encode()).hexdigest()
