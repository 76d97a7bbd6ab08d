# SPDX-License-Identifier: Apache-2.0
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

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


def told(capsys: Printed) -> Any:
    return json.loads(capsys.readouterr().out)


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
    (town / ".models").mkdir(exist_ok=True)
    (town / ".models" / "settings.yaml").write_text(f"scrub: {{voters: [{voters}]}}\n")
    before = sorted(town.rglob("*.json"))
    examples, place = str(town / "examples.jsonl"), ("--town", str(town))

    for argv in (("collect", *place, "--documents"), ("add", examples, *place), ("scrub", examples, *place)):
        command = [sys.executable, "-c", WITHOUT_A_MODULE, missing, *argv]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)

        assert (done.returncode, done.stdout) == (75, "")
        assert re.fullmatch(r"[^\n]+ cannot run [^\n]+nothing was stored\n", done.stderr)

    assert sorted(town.rglob("*.json")) == before


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


def test_every_command_is_in_the_help_once(capsys: Printed) -> None:
    assert run("--help") == 0

    shown = capsys.readouterr().out.partition("Commands:")[2]
    names = [line.split()[0] for line in shown.splitlines() if line.startswith("  ") and line[2] != " "]
    assert len(names) == len(set(names))
    assert {
        "collect",
        "add",
        "list",
        "scrub",
        "export",
        "retract",
        "operational",
        "stats",
        "review",
        "share",
    } <= {*names}
