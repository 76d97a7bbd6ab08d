# SPDX-License-Identifier: Apache-2.0
import logging
import sys

import pytest

from node0.errors import ConfigError
from node0.finetune.training.output.metrics import (
    METRICS_NAME,
    Metrics,
    StepRecord,
    forget_after,
    read_metrics,
    require_tensorboard,
)


def test_each_record_is_one_line_and_reaches_the_watcher(tmp_path):
    seen = []
    with Metrics(tmp_path, watch=seen.append) as metrics:
        metrics.write(StepRecord(step=0, val_loss=3.0))
        metrics.write(StepRecord(step=1, loss=2.5, lr=0.1, grad_norm=1.0, n_tokens=7))

    records = read_metrics(tmp_path)

    assert [record["step"] for record in records] == [0, 1]
    assert "loss" not in records[0]
    assert records[1]["loss"] == 2.5
    assert [record.step for record in seen] == [0, 1]


def test_the_loss_is_logged_in_the_form_that_monitors_read(tmp_path, caplog):
    with caplog.at_level(logging.INFO), Metrics(tmp_path) as metrics:
        metrics.write(StepRecord(step=1, loss=2.34567))

    assert "Training loss: 2.3457" in caplog.messages


def test_a_resumed_run_forgets_the_steps_it_will_repeat(tmp_path):
    with Metrics(tmp_path) as metrics:
        for step in range(1, 6):
            metrics.write(StepRecord(step=step, loss=1.0))
    with (tmp_path / METRICS_NAME).open("a") as file:
        file.write('{"step": 6, "lo')

    forget_after(tmp_path, 3)

    assert [record["step"] for record in read_metrics(tmp_path)] == [1, 2, 3]


def test_missing_tensorboard_is_one_clear_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)

    with pytest.raises(ConfigError, match="pip install"):
        require_tensorboard()
