# SPDX-License-Identifier: Apache-2.0
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from session_reading import read

from node0.finetune.corpus.transcript.claude_code.chains import REPEATED, chains
from node0.finetune.corpus.transcript.claude_code.session_index import Line
from node0.finetune.corpus.transcript.session_lines import ByteRange

Make = Callable[..., Any]


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


def line(uuid: str, parent: str | None, kind: str = "user", **values: Any) -> Line:
    return Line(uuid, parent, kind, ByteRange(0, 0), **values)


def test_the_active_path_leads_from_the_last_line_to_the_root() -> None:
    skipped: Counter[str] = Counter()
    lines = [
        line("a", None),
        line("b", "a", "assistant", message_id="m1"),
        line("c", "a", "assistant", message_id="m2"),
    ]

    (main,) = chains(lines, skipped)

    assert [[one.uuid for one in group.lines] for group in main.contexts[0].groups] == [["a"], ["c"]]
    assert skipped["line off the active path"] == 1


def test_the_parts_of_one_answer_and_the_results_of_its_calls_stay_together() -> None:
    lines = [
        line("a", None),
        line("b1", "a", "assistant", message_id="m", tool_ids=("t1",)),
        line("r1", "b1", tool_ids=("t1",)),
        line("b2", "b1", "assistant", message_id="m", tool_ids=("t2",)),
        line("r2", "b2", tool_ids=("t2",)),
        line("c", "r2", "assistant", message_id="n"),
    ]

    (main,) = chains(lines, Counter())

    groups = main.contexts[0].groups
    assert [group.answer for group in groups] == [False, True, False, True]
    assert [one.uuid for one in groups[1].lines] == ["b1", "b2"]
    assert [one.uuid for one in groups[2].lines] == ["r1", "r2"]


def test_a_compaction_begins_a_context() -> None:
    lines = [line("a", None), line("x", "a", "boundary"), line("b", "x")]

    (main,) = chains(lines, Counter())

    assert [[one.uuid for one in context.groups[0].lines] for context in main.contexts] == [["a"], ["b"]]


def test_what_a_compaction_kept_stands_behind_its_summary_and_is_learnt_once() -> None:
    lines = [
        line("a", None),
        line("b", "a", "assistant", message_id="m"),
        line("r", "b"),
        line("x", "r", "boundary", kept=("b", "r", "lost"), anchor="s"),
        line("s", "x"),
        line("t", "s", "attachment"),
        line("c", "t", "assistant", message_id="n"),
    ]
    skipped: Counter[str] = Counter()

    (main,) = chains(lines, skipped)

    first, second = main.contexts
    assert [[one.uuid for one in group.lines] for group in first.groups] == [["a"], ["b"], ["r"]]
    assert [[one.uuid for one in group.lines] for group in second.groups] == [["s"], ["b"], ["r", "t"], ["c"]]
    assert [group.unlearnt for group in (first.groups[1], second.groups[1], second.groups[3])] == [
        "",
        REPEATED,
        "",
    ]
    assert skipped[REPEATED] == 1


def test_a_parent_that_is_not_in_the_file_is_counted_and_the_line_before_stands_for_it() -> None:
    skipped: Counter[str] = Counter()

    (main,) = chains([line("a", None), line("b", "lost", "assistant", message_id="m")], skipped)

    assert len(main.contexts[0].groups) == 2
    assert skipped["parent that is not in the file"] == 1


def test_lines_that_are_each_others_parents_end() -> None:
    (main,) = chains([line("a", "b"), line("b", "a")], Counter())

    assert [one.uuid for one in main.contexts[0].groups[0].lines] == ["a", "b"]


def test_older_files_tell_sidechains_apart_by_their_roots() -> None:
    lines = [line("m", None), line("s", None, sidechain=True), line("t", "s", sidechain=True)]
    named = line("u", None, sidechain=True, agent="scout")

    found = chains([*lines, named], Counter())

    assert [chain.agent for chain in found] == ["", "s", "scout"]


def test_a_file_without_lines_has_no_chain() -> None:
    assert chains([], Counter()) == []
