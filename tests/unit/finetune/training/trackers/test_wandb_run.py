# SPDX-License-Identifier: Apache-2.0
"""Without a process of its own, which WANDB_MODE=disabled spares; what is sent, tests/integration shows."""

import pytest

from node0.finetune.training.trackers.tracker import TrackedRun
from node0.finetune.training.trackers.wandb_run import WandbRun

pytest.importorskip("wandb", reason="pip install 'gastown-finetune[wandb]'")


def test_the_librarys_own_mode_holds_and_the_id_is_kept_for_a_resume(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    told = TrackedRun(name="deacon", project=None, settings={"lr": 1e-3}, directory=tmp_path / "trackers")

    first = WandbRun(told)
    first.log(1, {"loss": 2.5})
    first.close("finished")
    known = told.known_as("wandb")
    WandbRun(told).close("failed")

    assert known
    assert told.known_as("wandb") == known
    assert [path.name for path in (tmp_path / "trackers").iterdir()] == ["wandb.id"]
