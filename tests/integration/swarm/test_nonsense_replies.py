# SPDX-License-Identifier: Apache-2.0
"""A replica that replies nonsense to its trainer is left, logged once, and the steps equal one process's."""

from pathlib import Path

import pytest
import torch
from integration.swarm.in_process import Recipe, batch, local, swarm

from node0.pipeline.protocol import TrainStep
from node0.server.host.client import Client
from node0.server.host.hosted_stage import HostedStage
from node0.server.host.operations import OPERATIONS
from node0.swarm.transport.frames import Frame

pytestmark = pytest.mark.integration

RECIPE = Recipe(num_stages=2)

LIES: dict[str, tuple[str, Frame, str]] = {
    "a norm that is text": ("prepare", Frame("reply", {"squared_norm": "1\n2", "finite": True}), r"'1\n2'"),
    "no names": ("reset", Frame("reply", {"version": 0}), "lacks 'names'"),
    "a version that is text": ("abort", Frame("reply", {"version": "0"}), "is '0', no int"),
    "sums of another shape": ("sums", Frame("reply", {}, [torch.ones(3)]), "other shapes than its replicas'"),
    "sums of another type": ("sums", Frame("reply", {}, [torch.ones(3).long()]), "torch.int64, no float32"),
    "a tensor too many": ("begin", Frame("reply", {}, [torch.ones(3)]), "brings 1 tensors"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_member_whose_replies_make_no_sense_is_left(
    lie: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kind, said, why = LIES[lie]
    honest = OPERATIONS[kind]

    def operate(stage: HostedStage, frame: Frame, client: Client) -> Frame:
        return said if stage.spec.name == "stage-2" else honest(stage, frame, client)

    monkeypatch.setitem(OPERATIONS, kind, operate)
    with swarm(tmp_path / "s", RECIPE, members=[0, 1, 1]) as many:
        one = local(RECIPE)
        for step in range(2):
            given = TrainStep(step, 1e-3, seed=3)
            assert many.pipeline.train_step(batch(step), given) == one.train_step(batch(step), given)
        liar = many.peers[2].peer_id

    lines = [line for line in caplog.messages if f"peer {liar} is not listened to any more" in line]
    assert len(lines) == 1
    assert why in lines[0] and "\n" not in lines[0]
