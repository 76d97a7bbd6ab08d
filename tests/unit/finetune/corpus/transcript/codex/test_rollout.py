# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path
from typing import Any

import pytest
from harness_fixtures import FIXTURES
from harness_requests import messages_records

from node0.finetune.corpus.transcript.codex.rollout import Rollout, rollout_head
from node0.finetune.corpus.transcript.turns import NO_BEGINNING, REPEATED, REWOUND, SUMMARY

META = {
    "id": "s1",
    "timestamp": "2026-01-05T06:00:00Z",
    "cwd": "/srv",
    "base_instructions": {"text": "Card."},
}


def item(role: str, words: str) -> dict[str, Any]:
    kind = "output_text" if role == "assistant" else "input_text"
    content = [{"type": kind, "text": words}]
    return line("response_item", type="message", role=role, id=f"{role} {words}", content=content)


def line(kind: str, /, **payload: Any) -> dict[str, Any]:
    return {"timestamp": "2026-01-05T06:00:01Z", "type": kind, "payload": payload}


def rollout(path: Path, *lines: Any) -> Rollout:
    texts = [value if isinstance(value, str) else json.dumps(value) for value in lines]
    path.write_text("\n".join(texts) + "\n")
    return Rollout(path)


def learnt(read: Rollout) -> list[list[str]]:
    """What each context holds up to its last answer, and before it the number of answers learnt."""
    return [
        [str(len(row.calls)), *(record[1] for record in messages_records(row.messages))]
        for row in read.trajectories()
    ]


def test_a_rollout_says_what_it_is(tmp_path: Path) -> None:
    read = rollout(
        tmp_path / "r.jsonl", line("session_meta", **META), item("user", "Go."), item("assistant", "Done.")
    )

    (row,) = read.trajectories()

    assert (read.session_id, row.agent, row.calls[0].shape.system) == ("s1", "", ("Card.",))
    assert row.calls[0].at == "2026-01-05T06:00:01Z"


def test_one_bad_line_never_stops_the_rest(tmp_path: Path) -> None:
    torn = json.dumps(item("user", "lost"))[:40]
    whole = (line("session_meta", **META), item("user", "Go."), item("assistant", "Done."))

    read = rollout(tmp_path / "r.jsonl", whole[0], torn, "[]", "\x00", {"payload": 3}, {}, *whole[1:])

    assert learnt(read) == [["1", "Go.", "Done."]]
    assert read.skipped["not JSON"] + read.skipped["not a JSON object"] == 3


def test_a_context_begins_anew_with_what_a_compaction_kept(tmp_path: Path) -> None:
    kept = [item("user", "Go.")["payload"], item("assistant", "Old.")["payload"], "torn"]
    read = rollout(
        tmp_path / "r.jsonl",
        *(line("session_meta", **META), item("user", "Go."), item("assistant", "One."), item("user", "?")),
        *(item("assistant", "All."), line("compacted", message="All.", replacement_history=kept)),
        *(item("user", "On."), item("assistant", "Two.")),
    )

    assert learnt(read) == [["1", "Go.", "One.", "?", "All."], ["1", "Go.", "Old.", "On.", "Two."]]
    assert read.skipped == {SUMMARY: 1, REPEATED: 1}


def test_behind_a_compaction_that_tells_nothing_no_answer_is_learnt(tmp_path: Path) -> None:
    read = rollout(
        tmp_path / "r.jsonl", line("compacted", message="x"), item("user", "On."), item("assistant", "Two.")
    )

    assert (learnt(read), read.skipped) == ([], {NO_BEGINNING: 1})


@pytest.mark.parametrize(
    ("count", "left"), [(1, ["1", "Go.", "One.", "New.", "Two."]), (9, ["1", "New.", "Two."])]
)
def test_what_was_rolled_back_is_gone(tmp_path: Path, count: Any, left: list[str]) -> None:
    read = rollout(
        tmp_path / "r.jsonl",
        *(item("user", "<environment_context>"), item("user", "Go."), item("assistant", "One.")),
        *(item("user", "Wrong."), item("assistant", "Bad.")),
        line("event_msg", type="thread_rolled_back", num_turns=count),
        *(item("user", "New."), item("assistant", "Two.")),
    )

    (told,) = learnt(read)

    assert [words for words in told if words != "<environment_context>"] in (left, ["2", *left[1:]])
    assert read.skipped[REWOUND] in (2, 4)


@pytest.mark.parametrize("count", [None, 0, -1, "1"])
def test_a_rollback_of_nothing_takes_back_nothing(tmp_path: Path, count: Any) -> None:
    back = line("event_msg", type="thread_rolled_back", num_turns=count)

    assert learnt(rollout(tmp_path / "r.jsonl", item("user", "Go."), back, item("assistant", "One."))) == [
        ["1", "Go.", "One."]
    ]


def test_an_old_rollout_is_items_behind_a_first_line(tmp_path: Path) -> None:
    first = {"id": "old", "timestamp": "2025-06-01T00:00:00Z", "instructions": "Card.", "git": {}}
    items = (item(role, words)["payload"] for role, words in (("user", "Go."), ("assistant", "Done.")))

    read = rollout(tmp_path / "r.jsonl", first, *items)

    assert (read.session_id, learnt(read)) == ("old", [["1", "Go.", "Done."]])


def test_a_subagent_names_the_session_that_began_it(tmp_path: Path) -> None:
    source = {"subagent": {"thread_spawn": {"parent_thread_id": "p1"}}}
    rollout(tmp_path / "r.jsonl", line("session_meta", **META, source=source))

    head = rollout_head(tmp_path / "r.jsonl")

    assert head is not None
    assert (head.parent, head.cwd) == ("p1", "/srv")


@pytest.mark.parametrize(
    "content", ["", "{}\n", "[]\n", '{"type": "session_meta"}\n', '{"type":"user","id":"x"}\n']
)
def test_another_file_is_no_rollout(tmp_path: Path, content: str) -> None:
    (tmp_path / "r.jsonl").write_text(content)

    assert rollout_head(tmp_path / "r.jsonl") is None


@pytest.mark.parametrize("session", ["works", "cut_tool", "compacted"])
def test_each_line_may_be_torn_and_the_rest_is_read(session: str, tmp_path: Path) -> None:
    lines = (FIXTURES / "codex" / f"{session}.jsonl").read_text("utf-8").splitlines()
    whole = sum(len(row.calls) for row in rollout(tmp_path / "whole.jsonl", *lines).trajectories())

    # Without the line of a compaction nothing tells that the answer before it is a summary.
    for number in (place for place in range(1, len(lines)) if '"compacted"' not in lines[place]):
        torn = [*lines[:number], lines[number][: len(lines[number]) // 2], *lines[number + 1 :]]
        calls = sum(len(row.calls) for row in rollout(tmp_path / "torn.jsonl", *torn).trajectories())

        assert calls <= whole
        assert calls or whole == 1 or number < 12
