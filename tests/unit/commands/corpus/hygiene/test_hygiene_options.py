# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from node0 import run_corpus

Printed = pytest.CaptureFixture[str]
ANSWER = "The quick refinery merges every branch of the convoy before the deacon wakes the witness again."


@pytest.fixture
def town(tmp_path: Path, capsys: Printed) -> Path:
    answers = {"a": ANSWER, "b": ANSWER, "c": "Another answer."}
    lines = [
        {"id": name, "role": "mayor", "created_at": f"2026-01-0{day}"}
        | {"messages": [{"role": "user", "content": "go"}, {"role": "assistant", "content": answer}]}
        for day, (name, answer) in enumerate(answers.items(), start=1)
    ]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert run_corpus.main(["add", str(tmp_path / "in.jsonl"), "--town", str(tmp_path)]) == 0
    capsys.readouterr()
    return tmp_path


def test_duplicates_are_listed_beside_what_they_repeat(town: Path, capsys: Printed) -> None:
    assert run_corpus.main(["duplicates", "--town", str(town), "--json"]) == 0

    printed = capsys.readouterr()
    assert json.loads(printed.out) == [{"id": "b", "of": "a", "similarity": 1.0, "exact": True}]
    assert "1 exact and 0 near" in printed.err


def test_contamination_is_exit_code_1_and_its_absence_0(town: Path, capsys: Printed) -> None:
    (town / "prompts.jsonl").write_text(json.dumps({"id": "p", "text": f"Say: {ANSWER}"}) + "\n")
    (town / "clean.jsonl").write_text(json.dumps({"text": "some other words " * 9}) + "\n")
    argv = ["contamination", "--town", str(town), "--json", "--against"]

    assert run_corpus.main([*argv, str(town / "prompts.jsonl")]) == 1
    assert {row["id"] for row in json.loads(capsys.readouterr().out)} == {"a", "b"}
    assert run_corpus.main([*argv, str(town / "clean.jsonl")]) == 0
    assert json.loads(capsys.readouterr().out) == []
