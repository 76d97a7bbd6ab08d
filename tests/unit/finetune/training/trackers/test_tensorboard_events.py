# SPDX-License-Identifier: Apache-2.0
import pytest

from node0.finetune.training.trackers.tensorboard_events import TensorBoardEvents

pytest.importorskip("tensorboard", reason="pip install 'gastown-finetune[tensorboard]'")


def test_its_own_reader_finds_each_figure_at_its_step(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = TensorBoardEvents(tmp_path / "runs")
    events.log(1, {"loss": 2.5, "lr": 0.5})
    events.log(2, {"loss": 2.0})
    events.close("finished")
    read = EventAccumulator(str(tmp_path / "runs"))
    read.Reload()

    assert [(event.step, event.value) for event in read.Scalars("loss")] == [(1, 2.5), (2, 2.0)]
    assert [(event.step, event.value) for event in read.Scalars("lr")] == [(1, 0.5)]
    assert (tmp_path / "runs").stat().st_mode & 0o077 == 0
