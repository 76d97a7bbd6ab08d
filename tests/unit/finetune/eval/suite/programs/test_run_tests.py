# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from node0.finetune.eval.suite.programs.run_tests import main

SOURCE = """
def test_fine(): pass
def test_wrong(): assert 1 == 2, "one is\\nnot two"
def test_leaves(): raise SystemExit(0)
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "list[str]":
    monkeypatch.setattr("sys.argv", ["x"])
    monkeypatch.setattr("sys.path", [])
    return [str(tmp_path / "t.py"), "mark"]


def test_each_test_has_a_marked_line_with_its_reason(run: list[str]) -> None:
    Path(run[0]).write_text(SOURCE)
    lines: list[str] = []

    code = main([*run, "test_fine", "test_wrong", "test_leaves", "test_gone"], lines.append)

    assert code == 1
    assert lines == [
        "mark test_fine ok\n",
        "mark test_wrong AssertionError: one is not two\n",
        "mark test_leaves SystemExit: 0\n",
        "mark test_gone no such test\n",
    ]


def test_code_that_leaves_while_it_is_imported_fails_every_test(run: list[str]) -> None:
    Path(run[0]).write_text("raise SystemExit(0)\n")
    lines: list[str] = []

    assert main([*run, "test_fine"], lines.append) == 1
    assert lines == ["mark test_fine SystemExit: 0\n"]
