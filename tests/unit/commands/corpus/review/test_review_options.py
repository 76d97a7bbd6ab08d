# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path
from typing import Any

import pytest

from node0 import run_corpus

SECRET = "ghp_0123456789abcdefABCDEF0123456789wxyz"
Printed = pytest.CaptureFixture[str]


@pytest.fixture
def town(tmp_path: Path, capsys: Printed) -> Path:
    turns = [{"role": "user", "content": 'password: "dolphinswim"'}, {"role": "assistant", "content": "no"}]
    lines = [json.dumps({"id": name, "role": "mayor", "messages": turns}) for name in ("one", "two", "three")]
    (tmp_path / "examples.jsonl").write_text("\n".join(lines))
    assert run(tmp_path, "add", str(tmp_path / "examples.jsonl")) == 0
    capsys.readouterr()
    return tmp_path


def run(town: Path, *argv: str) -> int:
    return run_corpus.main([*argv, "--town", str(town)])


def told(capsys: Printed) -> Any:
    return json.loads(capsys.readouterr().out)


def test_a_person_decides_about_each_entry_that_waits(town: Path, capsys: Printed) -> None:
    assert run(town, "review", "list", "--reveal", "--json") == 0
    assert [(row["entry_id"], row["value"]) for row in told(capsys)] == [
        ("one", "dolphinswim"), ("three", "dolphinswim"), ("two", "dolphinswim")
    ]  # fmt: skip

    assert run(town, "review", "drop", "two", "--json") == 0
    assert told(capsys) == [{"id": "two", "did": "dropped"}]
    assert run(town, "review", "redact", "one", "--json") == 0
    assert told(capsys) == [{"id": "one", "did": "redacted"}, {"id": "three", "did": "settled too"}]
    assert run(town, "review", "list") == 0
    assert "nothing waits" in capsys.readouterr().err
    assert run(town, "list", "--json") == 0
    assert {row["id"]: row["quarantined"] for row in told(capsys)} == {"one": False, "three": False}
    assert run(town, "show", "three", "--json") == 0
    assert "dolphinswim" not in capsys.readouterr().out
    assert run(town, "review", "accept", "three") == 1
    assert run(town, "review", "accept", "none") == 1


def test_an_audit_writes_a_dated_report(town: Path, capsys: Printed) -> None:
    assert run(town, "audit", "--role", "mayor", "--json") == 0
    (report,) = told(capsys)
    assert (report["audited"], report["older"], report["flagged"]) == (3, 0, {})
    assert list((town / ".corpus").glob("audit-report-*.json"))

    (town / ".models").mkdir(exist_ok=True)
    (town / ".models" / "settings.yaml").write_text("scrub: {deny: [dolphinswim]}\n")
    assert run(town, "audit", "--strict") == 1

    printed = capsys.readouterr()
    assert printed.err.startswith("looking at the entries in ")
    assert "3 entries audited, 3 flagged" in printed.err
    assert "next: node0 corpus collect --again" in printed.err
    assert "redact: deny-list" in printed.out
    assert "dolphinswim" not in printed.out
