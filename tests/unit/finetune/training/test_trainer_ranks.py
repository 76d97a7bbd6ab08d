# SPDX-License-Identifier: Apache-2.0
"""The step loop of a rank among others."""

from types import SimpleNamespace

import pytest
from scripted_trainer import make_trainer, run

from node0.finetune.training import run as run_module
from node0.finetune.training.interrupt import Interrupt
from node0.pipeline.ranks import ALONE, Alone


class Follower(Alone):
    """A rank that does not write; another one may have been interrupted."""

    leads = False

    def __init__(self, *, interrupted_elsewhere: bool = False) -> None:
        self.interrupted_elsewhere = interrupted_elsewhere

    def gather(self, value):
        # The digest of the run is asked for too, and is the same everywhere.
        return [value, self.interrupted_elsewhere if isinstance(value, bool) else value]


def test_a_rank_that_does_not_lead_goes_through_the_same_steps_and_writes_nothing(tmp_path):
    (tmp_path / "leader").mkdir()
    (tmp_path / "other").mkdir()
    leader = make_trainer(tmp_path / "leader", val_losses=[9.0, 8.0, 7.0], eval_every_n_steps=3)
    run(leader)
    follower = make_trainer(
        tmp_path / "other", val_losses=[9.0, 8.0, 7.0], eval_every_n_steps=3, ranks=Follower()
    )
    before = sorted((tmp_path / "other").rglob("*"))
    follower.begin(None)
    assert follower.loop(None, Interrupt())
    result = follower.end(finished=True)

    assert sorted((tmp_path / "other").rglob("*")) == before
    assert follower.engine.pipeline.steps == leader.engine.pipeline.steps
    assert follower.state.model_copy(update={"data": {}}) == leader.state.model_copy(update={"data": {}})
    assert (result.best_step, result.val_loss, result.steps) == (6, 7.0, 6)


def test_an_interruption_of_another_rank_is_one_of_this_rank(tmp_path):
    trainer = make_trainer(tmp_path, ranks=Follower(interrupted_elsewhere=True))
    trainer.begin(None)

    with pytest.raises(KeyboardInterrupt):
        trainer.loop(None, Interrupt())
    assert trainer.state.step == 1


def test_only_the_rank_that_leads_reports_to_trackers(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(run_module, "open_trackers", lambda plan: opened.append(plan) or [])
    plan = SimpleNamespace(config=SimpleNamespace(checkpoint_dir=tmp_path))

    with run_module._metrics(plan, Follower(), None) as metrics:
        assert (metrics, opened) == (None, [])
    with run_module._metrics(plan, ALONE, None):
        assert opened == [plan]
