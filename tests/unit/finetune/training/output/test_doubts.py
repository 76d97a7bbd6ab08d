# SPDX-License-Identifier: Apache-2.0
from typing import Any

import pytest

from node0.finetune.training.output.doubts import doubts


def _run(
    losses: list[float | None], *, rates: list[float] | None = None, measured: dict[int, float] | None = None
) -> list[dict[str, Any]]:
    rates = rates or [1.0] * len(losses)
    rows: list[dict[str, Any]] = [{"step": 0}] if measured and 0 in measured else []
    rows += [
        {"step": step, "lr": rate, **({} if loss is None else {"loss": loss})}
        for step, (loss, rate) in enumerate(zip(losses, rates, strict=True), start=1)
    ]
    for row in rows:
        if row["step"] in (measured or {}):
            row["val_loss"] = (measured or {})[row["step"]]
    return rows


def test_a_run_that_learned_is_not_doubted() -> None:
    assert doubts(_run([8.0, 4.0, 2.0], measured={0: 8.0, 3: 2.1}), peak=1.0) == []
    assert doubts(_run([8.0, 4.0, 2.0], rates=[1.0, 0.6, 0.3]), peak=1.0) == []
    assert doubts([], peak=1.0) == []


def test_one_step_that_nothing_was_measured_after_tells_nothing() -> None:
    assert doubts(_run([5.0]), peak=1.0) == []


@pytest.mark.parametrize(
    ("records", "said"),
    [
        (_run([7.98, 7.95], measured={0: 7.98, 2: 7.93}), "the held-out loss did not move: 7.9800 -> 7.9300"),
        (_run([5.0] * 20), "the training loss did not move: 5.0000 -> 5.0000"),
        (_run([5.0, 9.0], measured={0: 5.0, 2: 9.0}), "the run diverged: held-out loss 5.0000 -> 9.0000"),
        (_run([5.0, None]), "the run diverged: training loss 5.0000 -> inf"),
        (
            _run([5.0, 2.0, 9.0], measured={0: 5.0, 2: 2.0, 3: 9.0}),
            "the run diverged after its best step: held-out loss 2.0000 -> 9.0000",
        ),
        (_run([5.0, 4.0], rates=[0.0, 0.0]), "nothing was trained: all 2 steps had lr 0"),
        (_run([5.0, 4.0], rates=[0.1, 0.25]), "the run ended in its warm-up, at lr 0.25 of 1"),
        (_run([5.0, 4.0, 3.0], rates=[0.5, 1.0, 0.0]), "the run ended at lr 0"),
    ],
)
def test_a_run_that_did_not_learn_is_told_with_what_to_change(
    records: list[dict[str, Any]], said: str
) -> None:
    (line,) = doubts(records, peak=1.0)

    assert line.startswith(said)
    assert "; " in line
