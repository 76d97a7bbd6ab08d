# SPDX-License-Identifier: Apache-2.0
import json
import re
from pathlib import Path

import pytest

from node0 import run_corpus

SECRET = "ghp_0123456789abcdefABCDEF0123456789wxyz"


def run(*argv: str) -> int:
    return run_corpus.main(list(argv))


@pytest.mark.parametrize("form", ["openai", "trl", "sharegpt"])
def test_an_import_is_scrubbed_and_its_export_says_the_same(
    tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    turns = [{"role": "user", "content": f"use {SECRET}"}, {"role": "assistant", "content": "no"}]
    (tmp_path / "in.jsonl").write_text(json.dumps({"messages": turns}) + "\n")
    place = ("--town", str(tmp_path))

    assert run("import", str(tmp_path / "in.jsonl"), "--role", "mayor", *place, "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert run("export", "--format", form, "--output", str(tmp_path / "out.jsonl"), *place) == 0
    text = (tmp_path / "out.jsonl").read_text()
    assert SECRET not in text
    assert re.search(r"use ghp_\w{36}\b", text)
    assert "1 entries written" in capsys.readouterr().err

    # The same example under the same id adds nothing, whatever form it comes in.
    assert run("import", str(tmp_path / "out.jsonl"), "--role", "mayor", *place, "--json") == 0
    (again,) = json.loads(capsys.readouterr().out)
    assert (again["did"], again["id"]) != ("updated", row["id"])
    assert run("export", row["id"], "--format", form, *place) == 0
    assert capsys.readouterr().out == text.splitlines()[0] + "\n"


def test_an_export_counts_what_it_wrote_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    turns = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]
    lines = [{"id": name, "messages": turns, "quarantined": name == "two"} for name in ("one", "two")]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    place = ("--town", str(tmp_path), "--json")
    assert run("add", str(tmp_path / "in.jsonl"), "--role", "mayor", *place) == 0
    capsys.readouterr()
    output = tmp_path / "out.jsonl"

    assert run("export", "--output", str(output), *place) == 0

    counts = {"file": str(output), "entries": 1, "left_out": {"quarantined": 1}}
    assert json.loads(capsys.readouterr().out) == counts
    assert len(output.read_text().splitlines()) == 1
    assert run("export", *place) == 2


def test_a_bad_line_imports_nothing_and_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]}
    (tmp_path / "in.jsonl").write_text(json.dumps(good) + "\n" + json.dumps({"text": "x"}) + "\n")

    assert run("import", str(tmp_path / "in.jsonl"), "--role", "mayor", "--town", str(tmp_path)) == 1

    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / ".corpus").exists()
