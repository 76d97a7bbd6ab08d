# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path
from typing import Any

import pytest

from node0 import run_corpus

SECRET = "ghp_0123456789abcdefABCDEF0123456789wxyz"
Printed = pytest.CaptureFixture[str]


def run(*argv: str) -> int:
    return run_corpus.main(list(argv))


def told(capsys: Printed) -> Any:
    return json.loads(capsys.readouterr().out)


def test_adding_the_same_file_again_changes_nothing(town: Path, capsys: Printed) -> None:
    capsys.readouterr()

    assert run("add", str(town / "examples.jsonl"), "--town", str(town), "--json") == 0

    assert [row["did"] for row in told(capsys)] == ["unchanged", "unchanged"]


def test_a_bad_example_stores_nothing_of_its_file(tmp_path: Path, capsys: Printed) -> None:
    good = {"role": "mayor", "messages": [{"role": "user", "content": "x"}]}
    (tmp_path / "bad.jsonl").write_text(json.dumps(good) + "\n" + json.dumps({"role": "mayor"}))

    assert run("add", str(tmp_path / "bad.jsonl"), "--town", str(tmp_path)) == 1

    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / ".corpus").exists()


def test_a_town_whose_beads_do_not_answer_is_collected_without(
    town: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GT_DOLT_PORT", "1")
    (town / ".dolt-data").mkdir()

    assert run("collect", "--town", str(town), "--json") == 0
    assert "collecting without beads: Dolt at 127.0.0.1:1 does not answer" in capsys.readouterr().err


def test_a_backup_that_is_none_is_refused(tmp_path: Path, town: Path, capsys: Printed) -> None:
    assert run("collect", "--beads", str(tmp_path / "x"), "--town", str(town)) == 1
    assert "no issues.jsonl" in capsys.readouterr().err
