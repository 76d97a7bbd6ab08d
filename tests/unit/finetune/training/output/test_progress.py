# SPDX-License-Identifier: Apache-2.0
import json

import pytest

from node0.finetune.training.output.metrics import StepRecord
from node0.finetune.training.output.progress import watching

RECORD = StepRecord(step=2, loss=1.25, val_loss=1.5, tokens_per_second=1234.0)


def test_without_a_terminal_each_step_is_a_json_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with watching(terminal=False, total=6) as watch:
        watch(RECORD, 6)

    told = capsys.readouterr()
    assert told.out == ""
    assert json.loads(told.err) == {**RECORD.to_dict(), "of": 6}


def test_with_a_terminal_there_is_a_bar_and_no_json(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # stderr passes for a terminal

    with watching(terminal=True, total=6) as watch:
        watch(RECORD, 6)

    told = capsys.readouterr()
    assert told.out == ""
    assert "loss 1.2500" in told.err
    assert "{" not in told.err
