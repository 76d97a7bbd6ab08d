# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path
from typing import Any

import pytest

from node0 import run_corpus
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.store import CorpusStore

Printed = pytest.CaptureFixture[str]


@pytest.fixture
def town(tmp_path: Path) -> Path:
    store = CorpusStore(tmp_path / ".corpus")
    rows = [("a", "success", 40), ("b", "success", 44), ("c", "failure", 400)]
    for name, outcome, size in rows:
        facts = {"rig": "demo", "task_type": "patrol", "created_at": "2026-01-05T06:00:00Z"}
        turns = [{"role": "assistant", "content": "x" * size}]
        store.add(
            CorpusEntry.model_validate(
                {"id": name, "role": "deacon", "outcome": outcome, **facts, "messages": turns}
            )
        )
    return tmp_path


def told(capsys: Printed) -> Any:
    return json.loads(capsys.readouterr().out)


def test_stats_count_tokens_outcomes_and_lengths(town: Path, capsys: Printed) -> None:
    CorpusStore(town / ".corpus").retracted().add([CorpusStore(town / ".corpus").get("b")])

    assert run_corpus.main(["stats", "--town", str(town), "--json"]) == 0

    told_stats = told(capsys)
    assert (told_stats["entries"], told_stats["tokens"]) == (3, 10 + 11 + 100)
    assert told_stats["corpus_hash"] == CorpusStore(town / ".corpus").corpus_hash()
    rows = [(row["outcome"], row["entries"], row["tokens"], row["retracted"]) for row in told_stats["groups"]]
    assert rows == [("failure", 1, 100, 0), ("success", 2, 21, 1)]
    assert told_stats["histogram"] == [
        {"from": 8, "below": 16, "entries": 2},
        {"from": 16, "below": 32, "entries": 0},
        {"from": 32, "below": 64, "entries": 0},
        {"from": 64, "below": 128, "entries": 1},
    ]


def test_people_see_bars_and_an_empty_corpus_is_no_error(town: Path, tmp_path: Path, capsys: Printed) -> None:
    assert run_corpus.main(["stats", "--town", str(town)]) == 0
    printed = capsys.readouterr()
    assert "█" * 40 in printed.out
    assert "about 121 tokens" in printed.err

    assert run_corpus.main(["stats", "--role", "mayor", "--town", str(town)]) == 0


def test_validate_names_the_file_and_fails(town: Path, capsys: Printed) -> None:
    assert run_corpus.main(["validate", "--town", str(town), "--json"]) == 0
    assert told(capsys) == []
    (town / ".corpus" / "deacon" / "a.json").write_text("{")

    assert run_corpus.main(["validate", "--town", str(town), "--json"]) == 1

    assert [row["file"] for row in told(capsys)] == ["deacon/a.json"]
