# SPDX-License-Identifier: Apache-2.0
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from bead_rows import bead, closed, hooked, write_backup

from node0 import run_corpus

SECRET = "ghp_0123456789abcdefABCDEF0123456789wxyz"
Printed = pytest.CaptureFixture[str]
WITHOUT_A_MODULE = """
import sys
sys.modules[sys.argv.pop(1)] = None
from node0.run_corpus import main
sys.exit(main())
"""


def run(*argv: str) -> int:
    return run_corpus.main(list(argv))


@pytest.fixture
def town(tmp_path: Path) -> Path:
    example = {
        "id": "one",
        "role": "mayor",
        "messages": [{"role": "user", "content": f"use {SECRET}"}, {"role": "assistant", "content": "no"}],
    }
    (tmp_path / "examples.jsonl").write_text(
        json.dumps(example) + "\n" + json.dumps({**example, "id": "two"})
    )
    assert run("add", str(tmp_path / "examples.jsonl"), "--town", str(tmp_path)) == 0
    return tmp_path


def told(capsys: Printed) -> Any:
    return json.loads(capsys.readouterr().out)


def test_added_examples_are_listed_counted_and_shown_without_their_secrets(
    town: Path, capsys: Printed
) -> None:
    place = ("--town", str(town))
    capsys.readouterr()

    assert run("list", *place, "--json") == 0
    assert [row["id"] for row in told(capsys)] == ["one", "two"]
    assert run("stats", *place, "--json") == 0
    (row,) = told(capsys)["groups"]
    assert (row["role"], row["outcome"], row["entries"], row["quarantined"]) == ("mayor", "curated", 2, 0)
    assert run("show", "one", *place, "--json") == 0
    assert told(capsys)["messages"][0]["content"] == "use [REDACTED:github-token]"
    for command in (("list",), ("stats",), ("show", "one")):
        assert run(*command, *place) == 0
        out = capsys.readouterr().out
        assert "mayor" in out
        assert SECRET not in out


def test_a_long_list_shows_the_newest_and_says_so(town: Path, capsys: Printed) -> None:
    capsys.readouterr()

    assert run("list", "--town", str(town), "--limit", "1") == 0

    printed = capsys.readouterr()
    assert "1 of 2 entries" in printed.err
    assert printed.out.count("mayor") == 1


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


def test_listing_an_empty_town_says_what_to_do(tmp_path: Path, capsys: Printed) -> None:
    assert run("list", "--town", str(tmp_path)) == 0
    assert "node0-corpus collect" in capsys.readouterr().err
    assert run("list", "--town", str(tmp_path), "--json") == 0
    assert told(capsys) == []


def test_an_unknown_entry_is_one_line_and_exit_code_1(town: Path, capsys: Printed) -> None:
    capsys.readouterr()

    assert run("show", "nope", "--town", str(town)) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    "argv",
    [
        ("collect", "--since", "soon"),
        ("collect", "--transcript", "x.jsonl"),
        ("collect", "--colour"),
        ("paint",),
    ],
)
def test_wrong_usage_is_exit_code_2(tmp_path: Path, argv: tuple[str, ...], capsys: Printed) -> None:
    assert run(*argv, *(["--town", str(tmp_path)] if argv != ("paint",) else [])) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("missing", ["phonenumbers", "stdnum", "detect_secrets", "credsweeper"])
def test_a_scrubber_that_cannot_run_stores_nothing(town: Path, missing: str) -> None:
    voters = "credsweeper" if missing == "credsweeper" else "detect-secrets"
    (town / ".models").mkdir()
    (town / ".models" / "settings.yaml").write_text(f"scrub: {{voters: [{voters}]}}\n")
    before = sorted(town.rglob("*.json"))
    examples, place = str(town / "examples.jsonl"), ("--town", str(town))

    for argv in (("collect", *place, "--documents"), ("add", examples, *place), ("scrub", examples, *place)):
        command = [sys.executable, "-c", WITHOUT_A_MODULE, missing, *argv]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)

        assert (done.returncode, done.stdout) == (75, "")
        assert re.fullmatch(r"[^\n]+ cannot run [^\n]+nothing was stored\n", done.stderr)

    assert sorted(town.rglob("*.json")) == before


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


def test_beads_of_a_backup_are_shown_and_collected(tmp_path: Path, town: Path, capsys: Printed) -> None:
    rows = [bead("gt-a", close_reason="Merged to main"), hooked("gt-a", 0, "demo/polecats/toast")]
    place = write_backup(tmp_path / "backup", [*rows, closed("gt-a", 9, "mayor", "Merged to main")])
    options = ("--beads", str(place), "--town", str(town), "--json")

    assert run("operational", "--outcomes", *options) == 0
    (shown,) = told(capsys)
    assert (shown["bead"], shown["outcome"], shown["slings"]) == ("gt-a", "success", 1)
    assert run("operational", "--collect", "beads", *options) == 0
    collected = {(row["what"], row["which"]): row["count"] for row in told(capsys)}
    assert collected[("collected", "bead lifecycles")] == collected[("entries", "new")] == 1
    assert run("operational", "--collect", "slings", *options) == 0
    assert told(capsys)[0] == {"what": "collected", "which": "sling outcomes", "count": 1}


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


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["collect", "--transcript", "x.jsonl", "--role", "../evil"], "'../evil' is no role name"),
        (["collect", "--transcript", "x.jsonl", "--session", "y", "--role", "crew"], "give one of them"),
        (["collect", "--min-tokens", "-1"], "--min-tokens"),
        (["preview", "one", "--tokenizer", "t", "--max-length", "0"], "--max-length"),
        (["share", "approve", "x.jsonl", "--reviewer", " "], "say who has read the file"),
    ],
)
def test_a_value_that_means_nothing_is_a_usage_error_in_one_line(
    argv: list[str], said: str, town: Path, capsys: Printed
) -> None:
    capsys.readouterr()

    assert run(*argv, "--town", str(town)) == 2

    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
