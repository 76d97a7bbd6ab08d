# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path
from typing import Any

import pytest

from node0.finetune.corpus.quality.entry_validation import problems_in, problems_of
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.store import CorpusStore

FACTS = {"rig": "demo", "task_type": "patrol", "outcome": "success", "created_at": "2026-01-05T06:00:00Z"}
USE = {"type": "tool_use", "id": "c1", "name": "Bash", "input": {"command": "gt hook"}}
RESULT = {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "none"}]}
TURNS = [
    {"role": "user", "content": "go"},
    {"role": "assistant", "content": [{"type": "text", "text": "I look."}, USE]},
    {"role": "user", "content": [RESULT]},
    {"role": "assistant", "content": "Nothing."},
]
CALLS = [{"n_messages": number, "system": "s", "tools": "t"} for number in (1, 3)]
TOOL = {"name": "Bash", "description": "", "input_schema": {}}


def entry(**changes: Any) -> CorpusEntry:
    whole = {"messages": TURNS, "requests": CALLS, "systems": {"s": "x"}, "toolsets": {"t": [TOOL]}}
    return CorpusEntry.model_validate({"id": "e1", "role": "deacon", **FACTS, **whole, **changes})


def test_a_whole_entry_has_no_problems(tmp_path: Path) -> None:
    store = CorpusStore(tmp_path)
    store.add(entry())

    (path,) = store.paths(None)

    assert problems_in(path) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"messages": [{"role": "poet", "content": "x"}], "requests": []}, "role is 'poet'"),
        ({"messages": [{"role": "user"}], "requests": []}, "no content"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}], "requests": []}, "type 'image'"),
        ({"messages": [{"role": "user", "content": ["x"]}], "requests": []}, "type None"),
        ({"messages": [{"role": "assistant", "content": [{**USE, "input": "x"}]}], "requests": []}, "input"),
        ({"messages": [{"role": "user", "content": [USE]}], "requests": []}, "turn of user"),
        ({"messages": [{"role": "assistant", "content": [RESULT]}], "requests": []}, "turn of assistant"),
        (
            {"messages": [{"role": "user", "content": [{**RESULT, "content": [1]}]}], "requests": []},
            "other than text",
        ),
        ({"requests": CALLS[::-1]}, "out of order"),
        ({"requests": [{**CALLS[0], "n_messages": 2}]}, "no answer at messages[2]"),
        ({"requests": [{**CALLS[0], "n_messages": 4}]}, "no answer at messages[4]"),
        ({"systems": {}}, "missing"),
        ({"toolsets": {}}, "missing"),
        ({"toolsets": {"t": [{"name": "Bash"}]}}, "no input_schema"),
        ({"messages": [], "requests": []}, "no turns"),
        ({"chosen": TURNS[:2]}, "one side"),
    ],
)
def test_what_is_wrong_is_said(changes: dict[str, Any], words: str) -> None:
    assert words in " ".join(problems_of(entry(**changes)))


def test_files_that_were_changed_torn_or_moved_are_told_apart(tmp_path: Path) -> None:
    store = CorpusStore(tmp_path)
    store.add(entry())
    (path,) = store.paths(None)
    whole = path.read_text()

    path.write_text(whole.replace("Nothing.", "Everything."))
    assert "changed by hand" in problems_in(path)[0]
    path.write_text(whole[:-20])
    assert "cannot be read" in problems_in(path)[0]
    path.write_text(json.dumps({**json.loads(whole), "id": "e2"}))
    assert problems_in(path) == ["it lies under another id or role"]


@pytest.mark.parametrize("kind", [[], {}, 7, None, True, ["text"]])
def test_a_block_whose_type_is_no_word_is_a_problem_of_that_entry(tmp_path: Path, kind: object) -> None:
    turn = {"role": "user", "content": [{"type": kind, "text": "a"}]}
    entry = CorpusEntry(
        id="a",
        role="deacon",
        rig="r",
        task_type="t",
        outcome="o",
        created_at="2026-01-01T00:00:00Z",
        messages=[turn],
    )

    assert any("a block has the type" in problem for problem in problems_of(entry))
