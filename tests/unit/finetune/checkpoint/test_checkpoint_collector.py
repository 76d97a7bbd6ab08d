# SPDX-License-Identifier: Apache-2.0
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from node0.errors import ConfigError
from node0.finetune.checkpoint.checkpoint_collector import CheckpointCollector, CollectSettings
from node0.server.stage.shard_file import ShardFacts, write_shard


class FakeGatherer:
    """Gathers a shard of stage solo-0 at once; steps in `missing` never come whole."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.missing: set[int] = set()
        self.error: Exception | None = None
        self.steps: list[int] = []
        self.forgotten: list[int] = []
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def gather_all_shards(self, *given: Any, digests: Mapping[str, str], stop: threading.Event) -> Any:
        step = given[2]
        self.steps.append(step)
        self.may_go_on.wait(20.0)
        if self.error is not None:
            raise self.error
        if step in self.missing:
            return None
        return {
            "solo-0": write_shard(self.directory, ShardFacts("solo-0", step), {"w.lora_A.x": torch.ones(1)})
        }

    def discard_before(self, step: int) -> None:
        self.forgotten.append(step)


@pytest.fixture
def gatherer(tmp_path: Path) -> FakeGatherer:
    return FakeGatherer(tmp_path / "g")


@pytest.fixture
def collector(tmp_path: Path, gatherer: FakeGatherer) -> CheckpointCollector:
    settings = CollectSettings("harbor", ["solo-0"], tmp_path / "whole", keep=2)
    return CheckpointCollector(gatherer, object(), settings)  # type: ignore[arg-type]  # no peer is asked


def collected(tmp_path: Path) -> list[str]:
    directory = tmp_path / "whole"
    return sorted(path.name for path in directory.iterdir()) if directory.is_dir() else []


def test_the_last_checkpoints_are_kept(
    tmp_path: Path, gatherer: FakeGatherer, collector: CheckpointCollector
) -> None:
    for step in (5, 10, 15):
        collector.collect(step, {})
        assert collector.wait(20.0)

    assert collected(tmp_path) == ["step_10", "step_15"]
    assert gatherer.forgotten == [5, 10, 15]
    assert (tmp_path / "whole" / "step_15" / "merged_lora.safetensors").is_file()


@pytest.mark.parametrize("error", [ConfigError("the disk is full; make room"), KeyError("the disk is full")])
def test_what_goes_wrong_is_told_and_the_next_one_is_collected(
    error: Exception,
    tmp_path: Path,
    gatherer: FakeGatherer,
    collector: CheckpointCollector,
    caplog: pytest.LogCaptureFixture,
) -> None:
    gatherer.missing = {5}
    collector.collect(5, {})
    assert collector.wait(20.0)
    gatherer.error = error
    collector.collect(10, {})
    assert collector.wait(20.0)
    gatherer.error = None
    collector.collect(15, {})
    assert collector.wait(20.0)

    assert collected(tmp_path) == ["step_15"]
    assert "step 10 was not collected, training goes on: " in caplog.text
    assert "the disk is full" in caplog.text


def test_of_those_that_wait_the_newest_is_next(
    tmp_path: Path, gatherer: FakeGatherer, collector: CheckpointCollector
) -> None:
    gatherer.may_go_on.clear()
    collector.collect(5, {})
    while not gatherer.steps:
        threading.Event().wait(0.01)
    for step in (10, 15, 20):
        collector.collect(step, {})
    assert not collector.wait(0.0)
    gatherer.may_go_on.set()
    assert collector.wait(20.0)

    assert gatherer.steps == [5, 20]


def test_a_future_that_was_undone_is_dropped(
    tmp_path: Path, gatherer: FakeGatherer, collector: CheckpointCollector
) -> None:
    for step in (5, 10, 6):
        collector.collect(step, {})
        assert collector.wait(20.0)

    assert collected(tmp_path) == ["step_5", "step_6"]


def test_a_closed_collector_begins_nothing(gatherer: FakeGatherer, collector: CheckpointCollector) -> None:
    collector.close()
    collector.collect(5, {})

    assert collector.wait(20.0)
    assert gatherer.steps == []
