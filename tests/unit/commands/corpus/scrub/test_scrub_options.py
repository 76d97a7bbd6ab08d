# SPDX-License-Identifier: Apache-2.0
import io
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


def test_text_is_scrubbed_from_a_pipe(monkeypatch: pytest.MonkeyPatch, capsys: Printed) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"a {SECRET}\nb jane@harbor-yard.net\n"))

    assert run("scrub") == 0

    printed = capsys.readouterr()
    assert printed.out == "a [REDACTED:github-token]\nb [EMAIL_1]\n"
    assert printed.err == "redact: email: 1\nredact: github-token: 1\n"


def test_the_filter_answers_line_by_line_with_spans(tmp_path: Path, capsys: Printed) -> None:
    lines = [{"id": 1, "text": f"x {SECRET}"}, {"id": "b", "text": "clean"}]
    (tmp_path / "in").write_text("".join(json.dumps(line) + "\n" for line in lines))

    assert run("scrub", "--jsonl", str(tmp_path / "in")) == 0

    one, two = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    finding = {"kind": "github-token", "tier": "redact", "start": 2, "end": 42}
    assert one == {"id": 1, "text": "x [REDACTED:github-token]", "findings": [finding]}
    assert two == {"id": "b", "text": "clean", "findings": []}
    (tmp_path / "in").write_text("{}\n")
    assert run("scrub", "--jsonl", str(tmp_path / "in")) == 1
