# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from pathlib import Path

import pytest

from node0.errors import BadCheckpoint, ConfigError
from node0.finetune.eval.running.run_files import PLAN, TRIALS, EvalDirectory, EvalPlan
from node0.finetune.eval.schema import CheckOutcome, EvalResult

MADE = EvalPlan("roles", "s", "m:1", "d", epochs=2, seed=0, temperature=1.0, max_tokens=9)


def _result(item: str, *, passed: bool) -> EvalResult:
    check = CheckOutcome(check="c", passed=passed, reason="r")
    return EvalResult(
        item=item, category="git", role="deacon", epoch=0, passed=passed, checks=(check,), answers=("a",)
    )


def test_what_was_recorded_is_found_again_once(tmp_path: Path) -> None:
    directory = EvalDirectory(tmp_path / "run")
    with directory.claimed(MADE) as known, directory.recording() as record:
        assert known == []
        record(_result("one", passed=False))
        record(_result("two", passed=True))
        record(_result("one", passed=True))

    with directory.claimed(MADE) as known:
        assert sorted(known, key=lambda result: result.item) == [
            _result("one", passed=True),
            _result("two", passed=True),
        ]


def test_a_plan_that_is_no_json_is_of_another_evaluation(tmp_path: Path) -> None:
    (tmp_path / PLAN).write_text("{")

    with pytest.raises(ConfigError, match="no JSON"), EvalDirectory(tmp_path).claimed(MADE):
        pass


def test_the_first_difference_of_two_plans_is_told(tmp_path: Path) -> None:
    with EvalDirectory(tmp_path).claimed(MADE):
        pass

    other = EvalDirectory(tmp_path).claimed(replace(MADE, seed=7))
    with pytest.raises(ConfigError, match="seed is 7 here"), other:
        pass


def test_trials_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / TRIALS).write_text('{"item": 1}\n')

    with pytest.raises(BadCheckpoint, match="holds no trials"):
        EvalDirectory(tmp_path).results()
