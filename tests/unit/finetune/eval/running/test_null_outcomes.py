# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from eval_fakes import words

from node0.finetune.eval.running import null_models
from node0.finetune.eval.running.null_models import NullModel
from node0.finetune.eval.running.null_outcomes import null_outcomes
from node0.finetune.eval.schema import EvalResult
from node0.finetune.statistics.tallies import Tally


def test_every_null_model_tries_every_task_once() -> None:
    found = null_outcomes(words(count=3), concurrency=1)

    assert list(found) == ["empty", "echo", "first-action", "no-op"]
    assert found["echo"]["words"] == {f"word-{number:02}": Tally(0, 1) for number in range(3)}


def test_what_was_kept_is_not_tried_again_but_for_other_tasks(tmp_path: Path) -> None:
    seen: list[EvalResult] = []
    first = null_outcomes(words(count=3), concurrency=1, kept_in=tmp_path, on_result=seen.append)

    again = null_outcomes(words(count=3), concurrency=1, kept_in=tmp_path, on_result=seen.append)
    other = null_outcomes(words(count=2), concurrency=1, kept_in=tmp_path, on_result=seen.append)

    assert again == first
    assert len(other["empty"]["words"]) == 2
    assert len(seen) == 12 + 8


def test_what_was_kept_of_other_rules_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[EvalResult] = []
    null_outcomes(words(count=3), concurrency=1, kept_in=tmp_path, on_result=seen.append)
    monkeypatch.setattr(null_models, "RULES", null_models.RULES + 1)

    null_outcomes(words(count=3), concurrency=1, kept_in=tmp_path, on_result=seen.append)

    assert len(seen) == 12 + 12


def test_tasks_may_have_null_models_of_their_own(tmp_path: Path) -> None:
    tasks = words(count=2)
    knows_one = NullModel("knows-one", lambda task, request: [{"type": "text", "text": "word-00"}])

    found = null_outcomes(tasks, concurrency=1, more=[knows_one], kept_in=tmp_path)
    without = null_outcomes(tasks, concurrency=1, kept_in=tmp_path)

    assert found["knows-one"]["words"] == {"word-00": Tally(1, 1), "word-01": Tally(0, 1)}
    assert "knows-one" not in without
