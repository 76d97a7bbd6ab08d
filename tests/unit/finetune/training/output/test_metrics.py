# SPDX-License-Identifier: Apache-2.0
import logging

import pytest

from node0.finetune.run_dir import RunDirectory
from node0.finetune.training.evaluate import Validation
from node0.finetune.training.output.metrics import Metrics, StepRecord


def test_each_record_is_one_line_and_reaches_the_watcher(tmp_path):
    seen = []
    with Metrics(RunDirectory(tmp_path), watch=seen.append) as metrics:
        metrics.write(StepRecord(step=0, val_loss=3.0))
        metrics.write(StepRecord(step=1, loss=2.5, lr=0.1, grad_norm=1.0, n_tokens=7))

    records = RunDirectory(tmp_path).metrics()

    assert [record["step"] for record in records] == [0, 1]
    assert "loss" not in records[0]
    assert records[1]["loss"] == 2.5
    assert [record.step for record in seen] == [0, 1]


def test_the_loss_is_logged_in_the_form_that_monitors_read(tmp_path, caplog):
    with caplog.at_level(logging.INFO), Metrics(RunDirectory(tmp_path)) as metrics:
        metrics.write(StepRecord(step=1, loss=2.34567))

    assert "Training loss: 2.3457" in caplog.messages


def test_a_run_that_goes_on_appends_and_the_file_is_for_its_owner_alone(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n')
    path.chmod(0o644)

    with Metrics(RunDirectory(tmp_path)) as metrics:
        metrics.write(StepRecord(step=2, loss=1.0))

    assert [record["step"] for record in RunDirectory(tmp_path).metrics()] == [1, 2]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_step_that_was_skipped_has_no_loss_and_is_still_logged(tmp_path, caplog):
    with caplog.at_level(logging.INFO), Metrics(RunDirectory(tmp_path)) as metrics:
        metrics.write(StepRecord(step=1, skipped=True))

    assert "Training loss: nan" in caplog.messages
    assert RunDirectory(tmp_path).metrics()[0]["skipped"] is True


def test_what_a_validation_has_found_stands_in_the_record_of_its_step():
    found = Validation(loss=0.5, margin=2.0, accuracy=0.75, chosen_logp=-3.0)
    record = StepRecord(step=3, loss=1.0).validated(found)

    assert record.to_dict() == {
        "step": 3,
        "loss": 1.0,
        "val_loss": 0.5,
        "val_margin": 2.0,
        "val_accuracy": 0.75,
        "val_chosen_logp": -3.0,
        "n_tokens": 0,
        "tokens": 0,
        "skipped": False,
    }
    assert "val_margin" not in StepRecord(step=3).validated(Validation(loss=0.5)).to_dict()


class Listener:
    """A tracker that keeps what it is told."""

    place = "here"

    def __init__(self):
        self.told, self.ends = [], []

    def log(self, step, values):
        self.told.append((step, values))

    def close(self, end):
        self.ends.append(end)


def test_each_tracker_is_told_the_figures_that_a_step_has_and_how_the_run_ended(tmp_path):
    listeners = [Listener(), Listener()]
    with Metrics(RunDirectory(tmp_path), trackers=listeners) as metrics:
        metrics.write(StepRecord(step=0, val_loss=3.0))
        metrics.write(StepRecord(step=1, loss=2.5, lr=0.0, n_tokens=7))

    assert [one.told for one in listeners] == [[(0, {"val_loss": 3.0}), (1, {"loss": 2.5, "lr": 0.0})]] * 2
    assert [one.ends for one in listeners] == [["finished"]] * 2


@pytest.mark.parametrize(("error", "end"), [(KeyboardInterrupt, "interrupted"), (ValueError, "failed")])
def test_trackers_are_told_of_an_end_before_the_end(error, end, tmp_path):
    listener = Listener()
    with pytest.raises(error), Metrics(RunDirectory(tmp_path), trackers=[listener]):
        raise error

    assert listener.ends == [end]
