# SPDX-License-Identifier: Apache-2.0
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from node0.errors import BadCorpus
from node0.finetune.corpus.formatter import CorpusFormatter
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.town.sessions import Session
from node0.finetune.corpus.town.windows import Window
from node0.finetune.corpus.transcript.claude_code.session_file import SessionFile

Make = Callable[..., Any]
TOOLS = [{"name": "Bash", "description": "Run a command.", "input_schema": {"type": "object"}}]
FORMATTER = CorpusFormatter()


def moment(second: int) -> datetime:
    return datetime(2026, 1, 5, 6, 0, second, tzinfo=UTC)


def entries(path: Path, *windows: Window) -> tuple[list[CorpusEntry], Counter[str]]:
    session = Session("5e55-1", "polecat", "demo", "2026-01-05", windows)
    skipped: Counter[str] = Counter()
    rows = SessionFile(path).trajectories()
    return [entry for row in rows for entry in FORMATTER.format_trajectory(row, session, skipped)], skipped


def test_each_bead_window_supervises_its_own_answers_in_full_context(
    harness: Make, blocks: dict[str, Make], tmp_path: Path
) -> None:
    text, call, result = blocks["text"], blocks["call"], blocks["result"]
    session = harness()
    session.prompt("Take gt-a.")
    session.answer(call("t1", "gt done"))
    session.user(result("t1"))
    session.answer(text("First done."))
    cut = moment(session._clock + 1)
    session.prompt("Take gt-b.")
    session.answer(text("Second begun."))
    windows = Window(moment(0), "gt-a", "bead_work"), Window(cut, "gt-b", "bead_work", "deferred")

    (first, second), _ = entries(session.write(tmp_path / "s.jsonl"), *windows)

    assert [(entry.bead_id, entry.outcome) for entry in (first, second)] == [
        ("gt-a", "success"),
        ("gt-b", "deferred"),
    ]
    assert [call.n_messages for call in first.requests] == [1, 3]
    assert [call.n_messages for call in second.requests] == [5]
    assert second.messages[: len(first.messages)] == first.messages
    assert second.messages[:5] == session.sent[2][0]
    for entry in (first, second):
        assert all(entry.messages[call.n_messages]["role"] == "assistant" for call in entry.requests)
        assert all(call.exact for call in entry.requests)
        assert entry.systems[entry.requests[0].system] == session.sent[0][1][0]
        assert entry.toolsets[entry.requests[0].tools] == session.sent[0][2]
    assert first.id != second.id


@pytest.mark.parametrize(
    ("models", "told"),
    [
        (["deacon:2", "deacon:2"], "deacon:2"),
        (["deacon:2", "deacon:3"], "deacon:2 deacon:3"),
        ([None, None], None),
        (["a", "b", "c", "d"], "a b c"),
    ],
)
@pytest.mark.parametrize("log", [True, False])
def test_an_entry_names_the_models_that_answered_it(
    harness: Make,
    blocks: dict[str, Make],
    tmp_path: Path,
    models: list[str | None],
    told: str | None,
    log: bool,
) -> None:
    session = harness(log=log)
    for number, model in enumerate(models):
        session.prompt(f"Go {number}.")
        session.answer(blocks["text"](f"Done {number}."))
        if model is not None:
            session.lines[-1]["message"]["model"] = model

    (entry,), _ = entries(session.write(tmp_path / "s.jsonl"), Window(moment(0), None, "patrol"))
    assert entry.answered_by == told


def test_ids_stay_when_a_transcript_grows(harness: Make, blocks: dict[str, Make], tmp_path: Path) -> None:
    session, window = harness(), Window(moment(0), None, "patrol")
    session.prompt("Go.")
    session.answer(blocks["text"]("One."))
    (short,), _ = entries(session.write(tmp_path / "s.jsonl"), window)
    session.prompt("On.")
    session.answer(blocks["text"]("Two."))

    (grown,), _ = entries(session.write(tmp_path / "s.jsonl"), window)

    assert grown.id == short.id
    assert grown.messages[:2] == short.messages


def test_thinking_is_dropped_and_images_become_words(
    harness: Make, blocks: dict[str, Make], tmp_path: Path
) -> None:
    session = harness()
    image = {"type": "image", "source": {"type": "base64", "data": "aGVsbG8="}}
    session.user(blocks["text"]("See."), image)
    session.answer({"type": "thinking", "thinking": "hm", "signature": "s"}, blocks["call"]("t1"))
    session.user(blocks["result"]("t1", [image, blocks["text"]("x")], is_error=True))
    session.answer({"type": "thinking", "thinking": "only", "signature": "s"})
    session.prompt("And?")
    session.answer(blocks["text"]("Seen."))

    (entry,), skipped = entries(session.write(tmp_path / "s.jsonl"), Window(moment(0), None, "patrol"))

    assert entry.messages[0]["content"] == [blocks["text"]("See."), blocks["text"]("[image]")]
    assert [block["type"] for block in entry.messages[1]["content"]] == ["tool_use"]
    assert entry.messages[2]["content"][0]["content"] == [blocks["text"]("[image]"), blocks["text"]("x")]
    assert entry.messages[2]["content"][0]["is_error"] is True
    assert [call.n_messages for call in entry.requests] == [1, 4]
    assert entry.messages[4] == {"role": "assistant", "content": [blocks["text"]("Seen.")]}
    assert skipped == {"answer without words or calls": 1}
    assert "aGVsbG8" not in entry.model_dump_json()


CAPTURE = """\
❯ Take the bead gt-abc12, write to jane@harbor-yard.net
⏺ I look at it.
  ⎿ two files
⏺ I change them.

❯ Is it done?
⏺ Yes, it is done.
❯
"""


def test_a_capture_becomes_turns_and_is_scrubbed() -> None:
    entry = FORMATTER.format_session(CAPTURE, "polecat", "demo", "gt-abc12", "success", "bead_work")

    assert [turn["role"] for turn in entry.messages] == ["user", "assistant", "user", "assistant"]
    assert entry.messages[0]["content"] == "Take the bead gt-abc12, write to [EMAIL_1]"
    assert entry.messages[1]["content"] == "I look at it.\n  ⎿ two files\nI change them."
    assert (entry.source, entry.bead_id, entry.outcome) == ("tmux", "gt-abc12", "success")
    again = FORMATTER.format_session(CAPTURE, "polecat", "demo", "gt-abc12", "success", "bead_work")
    assert again.id == entry.id


@pytest.mark.parametrize("text", ["", "no markers at all", "❯ only a question"])
def test_a_capture_without_a_complete_turn_is_refused(text: str) -> None:
    with pytest.raises(BadCorpus, match="complete turn"):
        FORMATTER.format_session(text, "polecat", "demo", None, "success", "bead_work")


def test_a_deferred_tool_is_offered_once_a_result_names_it(
    harness: Make, blocks: dict[str, Make], tmp_path: Path
) -> None:
    deferred = {"name": "WebFetch", "description": "Fetch.", "input_schema": {"type": "object"}}
    session = harness(tools=[*TOOLS, {**deferred, "defer_loading": True}])
    session.prompt("Find a tool.")
    session.answer(blocks["call"]("t1"))
    session.user(blocks["result"]("t1", [{"type": "tool_reference", "tool_name": "WebFetch"}]))
    session.answer(blocks["text"]("Found."))

    path = session.write(tmp_path / "s.jsonl")
    (entry,), _ = entries(path, Window(moment(0), None, "patrol"))

    assert [entry.toolsets[call.tools] for call in entry.requests] == [TOOLS, [*TOOLS, deferred]]
    assert entry.messages[2]["content"][0]["content"] == [{"type": "text", "text": "WebFetch"}]
    assert [
        call.shape.tools[1]["defer_loading"] for row in SessionFile(path).trajectories() for call in row.calls
    ]
