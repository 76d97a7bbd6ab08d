# SPDX-License-Identifier: Apache-2.0
"""A run with default settings learns; one that cannot says so where a person looks."""

import json
from pathlib import Path

import pytest
from tiny_run import PROFILE, make_base, make_corpus

from node0.finetune.run_dir import RunDirectory
from node0.run_finetune import main

pytestmark = pytest.mark.integration

Printed = pytest.CaptureFixture[str]


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    make_base(tmp_path)
    make_corpus(tmp_path / "corpus", sessions=60)
    (tmp_path / "profile.yaml").write_text(PROFILE)
    places = ["--corpus-path", str(tmp_path / "corpus"), "--checkpoint-dir", str(tmp_path / "run")]
    small = ["--max-length", "512", "--batch-tokens", "512", "--set", f"profile={tmp_path / 'profile.yaml'}"]
    return ["--role", "deacon", "--base-model", str(tmp_path / "base"), "--device", "cpu", *places, *small]


def _val_losses(tmp_path: Path) -> list[float]:
    return [row["val_loss"] for row in RunDirectory(tmp_path / "run").metrics() if "val_loss" in row]


def test_a_first_run_that_names_no_rate_and_no_warm_up_learns_and_is_not_doubted(
    arguments: list[str], tmp_path: Path, capsys: Printed
) -> None:
    assert main(arguments) == 0

    before, *_, after = _val_losses(tmp_path)
    said = capsys.readouterr().err
    assert after < 0.97 * before
    assert "warning: " not in said
    assert said.splitlines()[-1].startswith("next: node0 model register")
    assert "Warning" not in (tmp_path / "run" / "README.md").read_text()


def test_the_rate_and_warm_up_of_the_plan_on_few_sessions_are_doubted_in_the_last_line_and_the_card(
    arguments: list[str], tmp_path: Path, capsys: Printed
) -> None:
    assert main([*arguments, "--lr", "3e-5", "--set", "num_warmup_steps=100", "--epochs", "1"]) == 0

    last = capsys.readouterr().err.splitlines()[-1]
    card = (tmp_path / "run" / "README.md").read_text()
    assert last.startswith("warning: the held-out loss did not move")
    assert "**Warning:** the run ended in its warm-up" in card
    assert "**Warning:** the held-out loss did not move" in card


def test_a_run_of_one_step_that_is_all_warm_up_says_that_nothing_was_trained(
    arguments: list[str], capsys: Printed
) -> None:
    assert main([*arguments, "--max_steps", "1", "--warmup_steps", "1", "--json"]) == 0

    out, err = capsys.readouterr()
    (summary,) = json.loads(out)
    assert "nothing was trained: all 1 steps had lr 0" in summary["doubts"]
    assert "warning: nothing was trained" in err


def test_a_rate_that_is_far_too_high_for_a_base_that_knows_the_work_is_doubted_as_divergence(
    arguments: list[str], tmp_path: Path, capsys: Printed
) -> None:
    learned = str(tmp_path / "learned")
    whole = ["--set", "lora=null", "--lr", "0.01", "--checkpoint-dir", learned]
    assert main([*arguments, *whole]) == 0
    capsys.readouterr()

    assert main([*arguments, "--base-model", learned, "--lr", "2", "--set", "scheduler=constant"]) == 0

    assert "warning: the run diverged" in capsys.readouterr().err.splitlines()[-1]
    assert "**Warning:** the run diverged" in (tmp_path / "run" / "README.md").read_text()
