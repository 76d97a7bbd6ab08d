# SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from unit.pipeline.swarm.fake_hosts import TRAINING, FakeHost, FakePeer, settings

from node0.errors import ConfigError, StageLost
from node0.pipeline.protocol import Microbatch, SamplingParams, TrainStep
from node0.pipeline.swarm import roster
from node0.pipeline.swarm.host_connection import MemberSpec
from node0.pipeline.swarm.swarm_pipeline import SwarmPipeline

IDS = torch.zeros(2, 4, dtype=torch.int64)
BATCH = [Microbatch(IDS, IDS, IDS)]


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakePeer]:
    monkeypatch.setattr(roster, "LOOK_EVERY", 0.01)
    made = FakePeer(a=FakeHost(), spare=FakeHost())
    yield made
    made.close()


@pytest.fixture
def pipeline(peer: Any) -> Iterator[SwarmPipeline]:
    given = settings(MemberSpec("a", stage=0), MemberSpec("spare"), backup_every=2)
    made = SwarmPipeline(peer, given, TRAINING, max_grad_norm=None)
    yield made
    made.close()


def test_scores_that_are_not_of_the_labels_are_asked_for_again(
    pipeline: SwarmPipeline, peer: FakePeer, caplog: pytest.LogCaptureFixture
) -> None:
    right = torch.full((2, 4), 7.0)
    peer.hosts["a"].scores = [torch.tensor(1.0), torch.ones(2, 3), IDS, right]

    assert torch.equal(pipeline.score(BATCH[0]), right)
    assert caplog.text.count("scores of (2, 4) labels have another shape or type") == 3


def test_each_step_is_applied_once_and_counted(pipeline: SwarmPipeline, peer: FakePeer) -> None:
    results = [pipeline.train_step(BATCH, TrainStep(step, 0.1)) for step in range(3)]

    assert [(each.loss_sum, each.n_tokens, each.grad_norm) for each in results] == [(3.0, 2, 1.0)] * 3
    assert (pipeline.version, peer.hosts["a"].asked["apply"]) == (3, 3)


def test_a_step_that_is_skipped_makes_no_version(pipeline: SwarmPipeline, peer: FakePeer) -> None:
    peer.hosts["a"].is_finite = False

    assert pipeline.train_step(BATCH, TrainStep(0, 0.1)).skipped
    assert (pipeline.version, peer.hosts["a"].asked["apply"]) == (0, 0)


def test_steps_since_the_last_backup_are_done_again_at_the_spare(
    pipeline: SwarmPipeline, peer: FakePeer
) -> None:
    told: list[str | None] = []
    pipeline.on_recovery = told.append
    for step in range(3):
        pipeline.train_step(BATCH, TrainStep(step, 0.1))
    peer.lose("a")

    pipeline.train_step(BATCH, TrainStep(3, 0.1))

    spare = peer.hosts["spare"]
    # The backup of version 2 was loaded; step 2 came again, then step 3.
    assert (spare.asked["load"], spare.asked["apply"], spare.version, pipeline.version) == (1, 2, 4, 4)
    assert told[0] is not None and told[1] is None and len(told) == 2


def test_states_are_saved_one_file_a_stage(pipeline: SwarmPipeline, peer: FakePeer, tmp_path: Path) -> None:
    pipeline.train_step(BATCH, TrainStep(0, 0.1))
    (tmp_path / "state-001.safetensors").write_bytes(b"of more stages")

    pipeline.save(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["state-000.safetensors"]
    assert (tmp_path / "state-000.safetensors").read_bytes() == b"1"


def test_a_shard_of_every_stage_is_asked_for_by_its_step(pipeline: SwarmPipeline) -> None:
    assert pipeline.checkpoint(12) == {"solo-0": "000"}


def test_a_session_with_an_unknown_adapter_is_refused(pipeline: SwarmPipeline) -> None:
    with pytest.raises(ConfigError, match="the stages hold no adapter 'other'"):
        pipeline.session(SamplingParams(), max_length=4, adapter="other")
    assert pipeline.session(SamplingParams(seed=1), max_length=4).extend([1]) == 101


def test_what_was_last_fetched_is_saved_without_the_stages(
    pipeline: SwarmPipeline, peer: FakePeer, tmp_path: Path
) -> None:
    assert pipeline.steps_since_backup is None, "nothing was fetched yet"
    for step in range(3):
        pipeline.train_step(BATCH, TrainStep(step, 0.1))
    peer.lose("a")
    peer.lose("spare") if "spare" in peer.streams else peer.hosts.pop("spare")
    pipeline.stop_waiting()

    with pytest.raises(StageLost):
        pipeline.train_step(BATCH, TrainStep(3, 0.1))

    assert pipeline.steps_since_backup == 1
    pipeline.save_kept(tmp_path)
    assert (tmp_path / "state-000.safetensors").read_bytes() == b"2"
