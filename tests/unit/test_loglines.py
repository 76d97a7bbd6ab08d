# SPDX-License-Identifier: Apache-2.0
import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node0 import loglines
from node0.loglines import (
    CHECKPOINT_SAVED,
    EVAL_SCORE,
    JOB_FAILED,
    NOT_FINITE,
    RESUME_TRIGGERED,
    TRAINING_LOSS,
    LogLine,
)

SOURCE = Path(__file__).parents[2] / "src" / "node0"
LINES = {name: line for name, line in vars(loglines).items() if isinstance(line, LogLine)}
STEPS = st.integers(min_value=0, max_value=10**12)
NAMES = st.from_regex(r"[A-Za-z0-9._-]{1,20}", fullmatch=True)
VALUES = st.floats(width=32)


def _same(found: float, given: float) -> bool:
    if math.isnan(given):
        return math.isnan(found)
    return found == given if math.isinf(given) else found == float(f"{given:.4f}")


@given(VALUES)
def test_a_loss_is_read_back(loss: float) -> None:
    found = TRAINING_LOSS.read(TRAINING_LOSS.write(loss))

    assert found is not None and _same(found[0], loss)


@given(NAMES, VALUES)
def test_a_score_is_read_back(category: str, score: float) -> None:
    found = EVAL_SCORE.read(EVAL_SCORE.write(category, score))

    assert found is not None and found[0] == category and _same(found[1], score)


@given(STEPS, NAMES)
def test_steps_and_stages_are_read_back(step: int, stage: str) -> None:
    assert CHECKPOINT_SAVED.read(CHECKPOINT_SAVED.write(step, stage)) == (step, stage)
    for line in (RESUME_TRIGGERED, JOB_FAILED, NOT_FINITE):
        assert line.read(line.write(step)) == (step,)


@given(STEPS)
def test_no_line_reads_another_one(step: int) -> None:
    written = {
        "TRAINING_LOSS": TRAINING_LOSS.write(1.0),
        "EVAL_SCORE": EVAL_SCORE.write("plans", 1.0),
        "CHECKPOINT_SAVED": CHECKPOINT_SAVED.write(step, "head-0"),
        "RESUME_TRIGGERED": RESUME_TRIGGERED.write(step),
        "JOB_FAILED": JOB_FAILED.write(step),
        "NOT_FINITE": NOT_FINITE.write(step),
    }

    assert set(written) == set(LINES)
    for name, line in LINES.items():
        assert [other for other, text in written.items() if line.read(text) is not None] == [name]


@given(st.text())
def test_any_text_can_be_asked(text: str) -> None:
    for line in LINES.values():
        found = line.read(text)
        assert found is None or isinstance(found, tuple)


def test_the_lines_are_spelled_as_promised() -> None:
    assert TRAINING_LOSS.write(2.34567) == "Training loss: 2.3457"
    assert EVAL_SCORE.write("planning", 0.5) == "Eval score [planning]: 0.5000"
    assert CHECKPOINT_SAVED.write(100, "tail-2") == "Checkpoint saved: step 100 stage tail-2"
    assert RESUME_TRIGGERED.write(7) == "Checkpoint resume triggered: step 7"
    assert JOB_FAILED.write(7) == "Training job failed: step 7"


def test_a_line_is_found_behind_what_a_formatter_puts_before_it() -> None:
    assert TRAINING_LOSS.read("2026-02-01 10:00:00 INFO node0.finetune: Training loss: 2.34\n") == (2.34,)
    assert TRAINING_LOSS.read("NoTraining loss: 2.34") is None
    assert TRAINING_LOSS.read("Training loss: 2.34 so far") is None


@pytest.mark.parametrize(
    "before", ["peer x says: ", "peer x says:\n", "x\n", "waiting: ", "node0: ", "INFO a b: "]
)
def test_a_line_inside_another_message_is_not_read(before: str) -> None:
    for line, values in ((TRAINING_LOSS, (1.0,)), (JOB_FAILED, (3,)), (CHECKPOINT_SAVED, (3, "head-0"))):
        written = line.write(*values)  # type: ignore[attr-defined]  # their types differ
        assert line.read(written) is not None  # type: ignore[attr-defined]  # their types differ
        assert line.read(before + written) is None  # type: ignore[attr-defined]  # their types differ


@pytest.mark.parametrize("name", ["", "two words", "line\nbreak", "[x]"])
def test_a_name_that_could_not_be_read_back_is_not_written(name: str) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        EVAL_SCORE.write(name, 1.0)
    with pytest.raises(ValueError, match="does not fit"):
        CHECKPOINT_SAVED.write(-1, "head-0")


def test_no_other_module_spells_a_line() -> None:
    starts = re.compile(
        r"[\"'](Training loss|Eval score|Checkpoint saved|Checkpoint resume|Training job failed)"
    )

    found = [
        str(path)
        for path in SOURCE.rglob("*.py")
        if path.name != "loglines.py" and starts.search(path.read_text(encoding="utf-8"))
    ]

    assert found == []
