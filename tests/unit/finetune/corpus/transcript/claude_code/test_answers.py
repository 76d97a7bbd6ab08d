# SPDX-License-Identifier: Apache-2.0
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from session_reading import read

from node0.finetune.corpus.transcript.claude_code.answers import unlearnt
from node0.finetune.corpus.transcript.claude_code.session_index import HARNESS, INTERRUPTED, WARM_UP, Line
from node0.finetune.corpus.transcript.session_lines import ByteRange

Make = Callable[..., Any]


def line(kind: str, **values: Any) -> Line:
    return Line("u", None, kind, ByteRange(0, 0), **values)


@pytest.mark.parametrize(
    ("stop", "behind", "why"),
    [
        ("end_turn", "", ""),
        ("tool_use", "", ""),
        ("stop_sequence", "", ""),
        ("", "", ""),
        ("max_tokens", "", "answer that was cut: max_tokens"),
        ("refusal", "", "answer that was cut: refusal"),
        ("model_context_window_exceeded", "", "answer that was cut: model_context_window_exceeded"),
        ("", INTERRUPTED, "answer that was interrupted"),
        ("end_turn", INTERRUPTED, ""),
        ("", "go on", ""),
    ],
)
def test_an_answer_is_learnt_when_the_model_ended_it(stop: str, behind: str, why: str) -> None:
    answer = [line("assistant"), line("assistant", stop=stop)]

    assert unlearnt(answer, (), [line("attachment"), line("user", harness=behind)]) == why
    assert unlearnt(reversed(answer), (), [line("user", harness=behind)]) == why


def test_what_the_harness_says_or_asks_of_its_own_accord_is_not_learnt() -> None:
    said, asked = line("assistant", harness=HARNESS), line("user", harness=WARM_UP, sidechain=True)

    assert unlearnt([said], (), ()) == "words of the harness in an answer's place"
    assert unlearnt([line("assistant")], [asked], ()) == "answer to a warm-up of the harness"
    assert unlearnt([line("assistant")], [line("user", harness=WARM_UP)], ()) == ""


@pytest.mark.parametrize("log", [True, False])
def test_words_of_the_harness_and_cut_answers_are_context_of_the_next(
    harness: Make, blocks: dict[str, Make], tmp_path: Path, *, log: bool
) -> None:
    session, text = harness(log=log), blocks["text"]
    session.prompt("One.")
    session.answer(text("Half a"))
    session.lines[-1]["message"]["stop_reason"] = "max_tokens"
    session.prompt("Two.")
    session.answer(text("No response requested."))
    session.lines[-1]["message"]["model"] = "<synthetic>"
    session.prompt("Three.")
    session.answer(text("Whole."))

    rows, skipped = read(session.write(tmp_path / "s.jsonl"))

    (call,) = [call for row in rows for call in row.calls]
    assert call.answer_id == "msg_3"
    said = [block["text"] for message in rows[-1].messages for block in message["content"]]
    assert said == ["One.", "Half a", "Two.", "No response requested.", "Three.", "Whole."]
    assert skipped["answer that was cut: max_tokens"] == 1
    assert skipped["words of the harness in an answer's place"] == 1


CONTENTS = st.lists(
    st.one_of(
        st.text("abc", min_size=1, max_size=6).map(lambda words: {"type": "text", "text": words}),
        st.integers(0, 99).map(lambda n: {"type": "tool_use", "id": f"t{n}", "name": "Bash", "input": {}}),
    ),
    min_size=1,
    max_size=4,
    unique_by=str,
)


@given(content=CONTENTS, cuts=st.lists(st.integers(1, 20), max_size=3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_an_answer_that_was_written_as_it_grew_is_its_last_writing(
    harness: Make, tmp_path: Path, content: list[dict[str, Any]], cuts: list[int]
) -> None:
    session = harness(log=False)
    session.prompt("Go.")
    parent = session.parent
    for size in [*sorted(cuts), 99]:
        grown = [dict(block) for block in content[: 1 + size // 6]]
        if size < 99 and grown[-1]["type"] == "text":
            grown[-1]["text"] = grown[-1]["text"][: size % 6 + 1]
        session.parent = parent
        session.line("assistant", message={"id": "m", "role": "assistant", "content": grown})
    session.prompt("Go on.")
    session.answer({"type": "text", "text": "Done."})

    rows, _ = read(session.write(tmp_path / "s.jsonl"))

    (row,) = rows
    assert row.messages[1]["content"] == content
    assert [call.n_messages for call in row.calls] == [1, 3]


@given(content=CONTENTS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
def test_an_answer_split_over_lines_keeps_every_block(
    harness: Make, tmp_path: Path, content: list[dict[str, Any]]
) -> None:
    session = harness(log=False)
    session.prompt("Go.")
    session.answer(*content)

    rows, _ = read(session.write(tmp_path / "s.jsonl"))

    assert rows[0].messages[1]["content"] == content
