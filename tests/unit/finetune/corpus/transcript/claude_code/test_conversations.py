# SPDX-License-Identifier: Apache-2.0
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node0.finetune.corpus.transcript.claude_code.conversations import Conversation, conversations
from node0.finetune.corpus.transcript.claude_code.session_index import Line
from node0.finetune.corpus.transcript.session_lines import ByteRange


def line(uuid: str, parent: str | None, kind: str = "user", **values: Any) -> Line:
    answer = {"message_id": f"m-{uuid}"} if kind == "assistant" else {}
    return Line(uuid, parent, kind, ByteRange(0, 0), **{**answer, **values})


def found(lines: Sequence[Line]) -> tuple[list[Conversation], Counter[str]]:
    skipped: Counter[str] = Counter()
    return conversations(lines, {each.uuid: each for each in lines}, skipped), +skipped


def uuids(told: Conversation) -> list[str]:
    return sorted(each.uuid for each in told.lines)


def test_a_writer_that_sets_no_parents_is_read_in_the_order_of_its_lines() -> None:
    lines = [line(f"{n}", None, "assistant" if n % 2 else "user") for n in range(6)]

    (told,), skipped = found(lines)

    assert uuids(told) == ["0", "1", "2", "3", "4", "5"]
    assert told.whole
    assert not skipped


def test_each_root_begins_a_conversation() -> None:
    lines = [line("0", None), line("1", "0", "assistant"), line("2", None), line("3", "2", "assistant")]

    told, _ = found(lines)

    assert [uuids(one) for one in told] == [["0", "1"], ["2", "3"]]
    assert all(one.whole for one in told)


def test_an_answer_or_a_result_without_a_parent_goes_on_with_what_was_before() -> None:
    lines = [
        line("0", None),
        line("1", None, "assistant", tool_ids=("t",)),
        line("2", None, tool_ids=("t",)),
        line("3", "2", "assistant"),
    ]

    (told,), _ = found(lines)

    assert uuids(told) == ["0", "1", "2", "3"]


@pytest.mark.parametrize(
    "first",
    [line("0", "elsewhere"), line("0", None, tool_ids=("unknown",)), line("0", None, "assistant")],
    ids=["a missing parent", "a result of no call", "an answer to nothing"],
)
def test_a_tail_of_another_conversation_is_not_whole(first: Line) -> None:
    (told,), _ = found([first, line("1", "0"), line("2", "1", "assistant")])

    assert not told.whole


def test_a_line_that_is_missing_within_is_bridged_and_counted() -> None:
    (told,), skipped = found([line("0", None), line("2", "1"), line("3", "2", "assistant")])

    assert uuids(told) == ["0", "2", "3"]
    assert told.whole
    assert skipped == {"parent that is not in the file": 1}


@given(st.lists(st.tuples(st.integers(-1, 12), st.booleans()), max_size=12))
def test_every_last_turn_has_its_path_and_nothing_is_told_twice(
    drawn: list[tuple[int, bool]],
) -> None:
    # Any graph of parents, also cycles and parents that come later or not at all.
    lines = [
        line(str(n), None if parent < 0 else str(parent), "assistant" if answer else "user")
        for n, (parent, answer) in enumerate(drawn)
    ]

    told, _ = found(lines)

    every = [uuid for one in told for uuid in uuids(one)]
    assert len(every) == len(set(every))
    assert not lines or str(len(lines) - 1) in every
