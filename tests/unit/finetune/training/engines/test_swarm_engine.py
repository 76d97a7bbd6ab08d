# SPDX-License-Identifier: Apache-2.0
"""What the trainer's side of a swarm makes of what its stages answer."""

from collections.abc import Mapping
from typing import Any

import pytest

from node0.finetune.checkpoint.checkpoint_collector import CheckpointCollector
from node0.finetune.training.engines.swarm_engine import SwarmEngine
from node0.pipeline.swarm.swarm_pipeline import SwarmPipeline


class Collector(CheckpointCollector):
    """Notes what it should collect."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, Mapping[str, str]]] = []

    def collect(self, step: int, digests: Mapping[str, str]) -> None:
        """Collect nothing."""
        self.asked.append((step, digests))


class Stages(SwarmPipeline):
    """Stages that have kept a checkpoint under these digests."""

    def __init__(self, digests: Mapping[str, str]) -> None:
        self.digests = dict(digests)

    def checkpoint(self, step: int, *, progress: str = "") -> dict[str, str]:
        """Write nothing."""
        return self.digests


@pytest.mark.parametrize(
    ("kept", "warning"),
    [
        (["head-0", "body-1", "tail-2"], ""),
        (["head-0", "tail-2"], "the checkpoint of step 4 is not gathered: body-1 could not keep it"),
        ([], "head-0, body-1, tail-2 could not keep it"),
    ],
)
def test_a_checkpoint_that_a_stage_could_not_keep_is_not_waited_for(
    kept: list[str], warning: str, caplog: pytest.LogCaptureFixture
) -> None:
    digests = dict.fromkeys(kept, "0" * 64)
    collector = Collector()
    stages: list[Any] = [None] * 3
    engine = SwarmEngine(stages, Stages(digests), collector)

    engine.spread(4, "{}")

    assert collector.asked == ([] if warning else [(4, digests)])
    assert warning in caplog.text
    assert bool(caplog.text) == bool(warning)
