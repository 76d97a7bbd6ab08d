# SPDX-License-Identifier: Apache-2.0
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from session_reading import digest, read, requests

from node0.finetune.corpus.transcript.claude_code.request_log import same_answer

Make = Callable[..., Any]


def test_every_logged_request_is_rebuilt_as_it_was_sent(busy: Any, tmp_path: Path) -> None:
    rows, _ = read(busy.write(tmp_path / "s.jsonl"))

    assert requests(rows) == busy.sent
    assert len(rows) == 1
    assert all(call.exact for call in rows[0].calls)
    answers = [rows[0].messages[call.n_messages] for call in rows[0].calls]
    assert [len(answer["content"]) for answer in answers] == [2, 2, 1, 1]


def test_answers_are_matched_by_position_where_lines_name_no_request(busy: Any, tmp_path: Path) -> None:
    for line in busy.lines:
        line.pop("requestRef", None)

    rows, _ = read(busy.write(tmp_path / "s.jsonl"))

    assert requests(rows) == busy.sent


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


def test_a_rewound_logged_answer_starts_a_trajectory_of_its_own_or_is_left_out(
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


def test_a_request_that_rewrites_earlier_turns_begins_a_trajectory(
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
    session.lines.append({"type": "api-request-blob", "hash": digest(cleared), "message": cleared})
    session.answer(text("Done."))

    rows, _ = read(session.write(tmp_path / "s.jsonl"))

    assert requests(rows) == session.sent
    assert [len(row.calls) for row in rows] == [2, 1]


def test_thinking_stays_in_the_proof(harness: Make, blocks: dict[str, Make], tmp_path: Path) -> None:
    session = harness()
    session.prompt("Think.")
    session.answer({"type": "thinking", "thinking": "hm", "signature": "s"}, blocks["text"]("Thought."))
    session.prompt("More.")
    session.answer(blocks["text"]("Done."))

    rows, _ = read(session.write(tmp_path / "s.jsonl"))

    assert requests(rows) == session.sent
    assert len(rows) == 1


def test_an_answer_is_repeated_whatever_became_of_its_calls_inputs() -> None:
    said = {"type": "text", "text": "Looking. "}
    call = {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "ls"}}
    answer = {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}, said, call]}
    other = {**call, "id": "t2"}

    assert same_answer({"role": "assistant", "content": [said, {**call, "input": {}}]}, answer)
    assert not same_answer({"role": "assistant", "content": [said, other]}, answer)
    assert not same_answer({"role": "user", "content": [said, call]}, answer)


def test_an_answer_that_a_compaction_kept_stays_proven(busy: Any, tmp_path: Path) -> None:
    answers = [line for line in busy.lines if line["type"] == "assistant"]
    kept = [line["uuid"] for line in answers if line["message"]["id"] == answers[-1]["message"]["id"]]
    summary = {"role": "user", "content": "This is what happened."}
    preserved = {"preservedMessages": {"anchorUuid": "s", "uuids": kept}}
    busy.lines += [
        {"type": "system", "subtype": "compact_boundary", "uuid": "x", "parentUuid": None}
        | {"logicalParentUuid": kept[-1], "compactMetadata": preserved},
        {"type": "user", "uuid": "s", "parentUuid": "x", "message": summary},
    ]

    rows, skipped = read(busy.write(tmp_path / "s.jsonl"))

    assert requests(rows) == busy.sent
    assert all(call.exact for row in rows for call in row.calls)
    assert skipped["answer that a compaction or a resume repeats"] == 1
