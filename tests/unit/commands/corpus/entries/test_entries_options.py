# SPDX-License-Identifier: Apache-2.0
import json
import re
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
    assert re.fullmatch(r"use ghp_\w{36}", told(capsys)["messages"][0]["content"])
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


def test_listing_an_empty_town_says_what_to_do(tmp_path: Path, capsys: Printed) -> None:
    assert run("list", "--town", str(tmp_path)) == 0
    assert "node0-corpus collect" in capsys.readouterr().err
    assert run("list", "--town", str(tmp_path), "--json") == 0
    assert told(capsys) == []


def test_an_unknown_entry_is_one_line_and_exit_code_1(town: Path, capsys: Printed) -> None:
    capsys.readouterr()

    assert run("show", "nope", "--town", str(town)) == 1
    assert capsys.readouterr().err.count("\n") == 1
