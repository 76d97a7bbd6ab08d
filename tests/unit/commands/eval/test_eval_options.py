# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from node0.commands.eval.eval_options import main

Printed = pytest.CaptureFixture[str]


def _run(base: str, suite: Path, output: Path, town: Path, *more: str) -> int:
    given = ["run", base, "--suite", str(suite), "--output", str(output), "--town", str(town)]
    return main([*given, "--max-tokens", "6", "--device", "cpu", "--epochs", "2", *more])


def test_a_run_prints_its_categories_and_leaves_two_reports(
    base: str, suite: Path, tmp_path: Path, town_root: Path, capsys: Printed
) -> None:
    assert _run(base, suite, tmp_path / "out", town_root, "--json") == 0

    printed = capsys.readouterr()
    patrol, composite = json.loads(printed.out)
    assert (patrol["category"], patrol["items"], patrol["trials"]) == ("patrol", 3, 6)
    assert composite["category"] == "composite"
    assert "the gate would refuse: suite patrol measures nothing in patrol: null model" in printed.err
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["categories"]["patrol"]["score"] == patrol["score"]
    assert "<h1>" in (tmp_path / "out" / "report.html").read_text()


def test_the_same_command_again_tries_nothing_and_reports_the_same(
    base: str, suite: Path, tmp_path: Path, town_root: Path
) -> None:
    _run(base, suite, tmp_path / "out", town_root)
    before = {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}

    assert _run(base, suite, tmp_path / "out", town_root, "--concurrency", "4") == 0
    assert {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()} == before


def test_two_runs_are_compared_and_listed_and_shown(
    base: str, suite: Path, tmp_path: Path, town_root: Path, capsys: Printed
) -> None:
    evals = town_root / ".models" / "evals"
    for seed in ("1", "2"):
        _run(base, suite, evals / seed, town_root, "--seed", seed)
    capsys.readouterr()

    code = main(
        ["compare", str(evals / "1"), str(evals / "2"), "--page", str(tmp_path / "both.html"), "--json"]
    )
    (row,) = json.loads(capsys.readouterr().out)
    main(["list", "--town", str(town_root), "--json"])
    listed = json.loads(capsys.readouterr().out)
    main(["report", str(evals / "1"), "--json"])
    shown = json.loads(capsys.readouterr().out)

    assert code == 0
    assert (row["category"], row["items"]) == ("patrol", 3)
    assert "comparison" in (tmp_path / "both.html").read_text()
    assert [(one["suite"], one["trials"]) for one in listed] == [("patrol", 6)] * 2
    assert [one["category"] for one in shown] == ["patrol"]


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--temperature", "0"], "--epochs 1"),
        (["--epochs", "0"], "--epochs"),
        (["--concurrency", "0"], "--concurrency"),
        (["--replay-only", "--replay", "run"], "--suite"),
    ],
)
def test_flags_that_make_no_sense_are_a_usage_error(flags: list[str], told: str, capsys: Printed) -> None:
    assert main(["run", "x", "--suite", "y.yaml", *flags]) == 2

    assert told in capsys.readouterr().err


def test_a_replay_alone_needs_a_run(capsys: Printed) -> None:
    assert main(["run", "x", "--replay-only"]) == 2

    assert "--replay-only needs --replay RUN" in capsys.readouterr().err


def test_what_cannot_be_evaluated_is_one_line(
    base: str, suite: Path, tmp_path: Path, town_root: Path, capsys: Printed
) -> None:
    for more in (["--category", "x"], ["--role", "mayor"], ["--url", "nowhere"]):
        assert _run(base, suite, tmp_path / "out", town_root, *more) == 1
        assert len(capsys.readouterr().err.splitlines()) == 1
    assert main(["run", base, "--suite", str(tmp_path)]) == 1
    assert "holds no items; give promptfoo's YAML" in capsys.readouterr().err


def test_a_suite_is_exported_for_inspect_and_for_nothing_else(tmp_path: Path, capsys: Printed) -> None:
    given = ["export", "--category", "planning", "--category", "git_workflow"]

    assert main([*given, "--inspect", str(tmp_path / "out")]) == 0
    assert {file.name for file in (tmp_path / "out").glob("*.jsonl")} == {
        "planning.jsonl",
        "git_workflow.jsonl",
    }
    assert main([*given, "--inspect", str(tmp_path / "out")]) == 1
    assert "is there already" in capsys.readouterr().err
    assert main(given) == 2
    assert "--inspect" in capsys.readouterr().err
