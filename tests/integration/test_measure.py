# SPDX-License-Identifier: Apache-2.0
"""`node0 measure` on a run of the sample town."""

import json
from pathlib import Path

import pytest

from node0 import run_corpus, run_finetune
from node0.commands.measure import measure_options as measure_command
from node0.commands.model import model_options as run_model
from town.generator.build import TownPlan, build_town

pytestmark = pytest.mark.integration

EXAMPLES = Path(__file__).parents[2] / "examples"
BASE = EXAMPLES / "base"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("measured")
    plan = TownPlan(sessions={"deacon": 20, "witness": 0, "polecat": 0}, secrets=2, people=1, rolls=0)
    build_town(root / "gt", root / "planted.json", plan)
    assert run_corpus.main(["collect", "--town", str(root / "gt")]) == 0
    code = run_finetune.main(
        [
            *("--config", str(EXAMPLES / "configs" / "deacon.yaml"), "--base-model", str(BASE)),
            *("--corpus-path", str(root / "gt" / ".corpus"), "--checkpoint-dir", str(root / "run")),
            *("--set", "max_steps=3", "--set", "val_split=0.2", "--town", str(root / "gt")),
        ]
    )
    assert code == 0
    return root / "run"


def test_base_and_adapter_are_measured_on_the_same_held_out_turns(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = measure_command.main([str(BASE), str(run), "--run", str(run), "--limit", "4", "--json"])
    before, after = json.loads(capsys.readouterr().out)

    assert code == 0
    assert before["entries"] == after["entries"] == 4
    assert before["turns"] == after["turns"] == 4
    assert before["answer_tokens"] == after["answer_tokens"] > 100
    assert after["loss"] < before["loss"]
    assert 0 <= after["exact_share"] <= 1


def test_the_loss_is_the_one_that_training_reported(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    measure_command.main([str(run), "--run", str(run), "--limit", "1", "--json"])
    measured = json.loads(capsys.readouterr().out)[0]
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    reported = min(record["val_loss"] for record in records if record.get("val_loss") is not None)

    # Training may hold its base in bfloat16; measuring never does.
    assert measured["loss"] == pytest.approx(reported, rel=5e-3)


def test_what_is_measured_of_a_registered_version_is_its_score(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = ["--town", str(run.parent / "gt")]
    assert run_model.main(["register", str(run), *at]) == 0
    capsys.readouterr()
    run_model.main(["list", *at])
    before = _cells(capsys.readouterr().out)
    arguments = ["deacon", "--run", str(run), "--limit", "4", "--json", *at]

    assert measure_command.main(arguments) == 0

    (measured,) = json.loads(capsys.readouterr().out)
    run_model.main(["list", *at])
    after = _cells(capsys.readouterr().out)
    run_model.main(["show", "deacon", "--json", *at])
    (shown,) = json.loads(capsys.readouterr().out)
    assert before["EVAL"] == "-"
    assert after["EVAL"] == f"{measured['exact_share']:.2f}"
    assert (before["STATUS"], after["STATUS"]) == ("registered", "evaluated")
    (kept,) = shown["evaluations"]
    assert (kept["suite"], kept["items"], kept["score"]) == ("held-out", 4, measured["exact_share"])
    assert kept["low"] <= kept["score"] <= kept["high"]
    assert kept["by_category"]["loss"] == pytest.approx(measured["loss"], abs=1e-4)
    assert shown["problems"] == []


def _cells(table: str) -> dict[str, str]:
    """The one row of a table, by column."""
    lines = [line for line in table.splitlines() if line[:1] in "┃│" and line]
    head, row = ([cell.strip() for cell in line.split(line[0])[1:-1]] for line in lines[-2:])
    return dict(zip(head, row, strict=True))


def test_a_run_without_its_corpus_is_one_clear_line(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = measure_command.main([str(run), "--run", str(run), "--corpus-path", str(tmp_path)])

    assert code == 1
    assert "--corpus-path" in capsys.readouterr().err


def test_a_directory_that_is_no_run_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = measure_command.main([str(BASE), "--run", str(tmp_path)])

    assert code == 1
    assert "config.resolved.yaml" in capsys.readouterr().err
