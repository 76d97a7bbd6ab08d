# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path
from typing import Any

import pytest

from node0.errors import BadCorpus, NotFound
from node0.finetune.corpus.quality.contamination import Prompts
from node0.finetune.corpus.schema import CorpusEntry

ASKED = "Write a function that returns the longest common prefix of a list of strings, or nothing."


def entry(content: Any, role: str = "user") -> CorpusEntry:
    facts = {"rig": "demo", "task_type": "patrol", "outcome": "success", "created_at": "2026-01-05"}
    return CorpusEntry.model_validate(
        {"id": "e1", "role": "deacon", **facts, "messages": [{"role": role, "content": content}]}
    )


def prompts(tmp_path: Path, *lines: Any) -> Prompts:
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + "\n")
    return Prompts(tmp_path / "prompts.jsonl")


@pytest.mark.parametrize(
    "line",
    [
        {"prompt": ASKED},
        {"question": ASKED, "answer": "x"},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": ASKED}]}]},
        {"test": {"cases": [ASKED]}},
        ASKED,
    ],
)
def test_a_prompt_is_found_in_whatever_field_it_stands(tmp_path: Path, line: Any) -> None:
    known = prompts(tmp_path, line)

    for content in (
        f"before {ASKED.upper()} after",
        [{"type": "tool_result", "tool_use_id": "x", "content": [{"type": "text", "text": ASKED}]}],
        [{"type": "tool_use", "id": "x", "name": "Write", "input": {"text": ASKED.replace(" ", "\n")}}],
    ):
        (found,) = known.overlaps(entry(content))
        assert (found.id, found.prompt, found.grams, found.of) == ("e1", "line 1", 4, 4)
    assert len(known.overlaps(entry(ASKED, role="system"))) == 1


def test_twelve_words_in_common_are_none_and_thirteen_are_one(tmp_path: Path) -> None:
    known = prompts(tmp_path, {"id": 7, "prompt": ASKED})
    words = ASKED.split()

    assert known.overlaps(entry(" ".join(words[:12]))) == []
    (found,) = known.overlaps(entry(" ".join(words[:13])))
    assert (found.prompt, found.grams) == ("7", 1)


def test_system_turns_of_prompts_and_short_prompts_are_not_compared(tmp_path: Path) -> None:
    turns = [{"role": "system", "content": ASKED}, {"role": "user", "content": "short"}]
    known = prompts(tmp_path, {"messages": turns})

    assert known.overlaps(entry(ASKED)) == []
    assert (len(known), known.too_short) == (0, 1)


def test_prompts_with_the_same_id_are_counted_apart(tmp_path: Path) -> None:
    known = prompts(tmp_path, {"id": "a", "prompt": ASKED}, {"id": "a", "prompt": ASKED})

    assert [(found.grams, found.of) for found in known.overlaps(entry(ASKED))] == [(4, 4), (4, 4)]


@pytest.mark.parametrize("line", ["{", '{"id": ' * 100_000 + "1" + "}" * 100_000])
def test_a_missing_a_broken_and_an_endlessly_nested_file_are_errors(tmp_path: Path, line: str) -> None:
    with pytest.raises(NotFound):
        Prompts(tmp_path / "none")
    (tmp_path / "broken").write_text(f"{line}\n")
    with pytest.raises(BadCorpus, match="line 1"):
        Prompts(tmp_path / "broken")
