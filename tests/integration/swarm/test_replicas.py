# SPDX-License-Identifier: Apache-2.0
"""Several peers on one stage share its microbatches, come late, and go."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Thread

import pytest
import torch
from integration.swarm.in_process import Recipe, Swarm, batch, join, leave, local, swarm, with_dropout
from integration.swarm.processes import wait_until
from safetensors.torch import load_file

from node0.pipeline.local import LocalPipeline
from node0.pipeline.protocol import TrainStep
from node0.server.host.stage_spec import StagePlace
from node0.server.host.worker import StageWorker
from node0.stage_settings import OptimizerConfig
from node0.swarm.transport.frames import Frame

pytestmark = pytest.mark.integration

CLIPPED = Recipe(optimizer=OptimizerConfig(lr=1e-3, max_grad_norm=20.0))
Event = Callable[[Swarm], None]


def _train(directory: Path, many: Swarm, one: LocalPipeline, *, events: Mapping[int, Event]) -> None:
    """Twenty steps on both; an event comes before its step. Losses, norms and adapters must agree."""
    for step in range(20):
        if step in events:
            events[step](many)
        given = TrainStep(step, 1e-3, seed=3)
        expected, found = (each.train_step(batch(step), given) for each in (one, many.pipeline))
        assert not found.skipped
        assert found.n_tokens == expected.n_tokens
        assert found.loss_sum == pytest.approx(expected.loss_sum, rel=1e-5)
        assert found.grad_norm == pytest.approx(expected.grad_norm, rel=1e-5)
        assert found.stage_norms == pytest.approx(expected.stage_norms, rel=1e-5)
    one.save(directory / "one")
    many.pipeline.save(directory / "many")
    _assert_close(directory / "one", directory / "many")


def _assert_close(one: Path, many: Path) -> None:
    names = sorted(path.name for path in one.iterdir())
    assert len(names) == 3
    assert sorted(path.name for path in many.iterdir()) == names
    for name in names:
        expected, found = load_file(one / name), load_file(many / name)
        assert found.keys() == expected.keys()
        for tensor, value in expected.items():
            if tensor.startswith("weight:"):
                torch.testing.assert_close(found[tensor], value, rtol=0, atol=1e-5)


@pytest.mark.parametrize("recipe", [CLIPPED, with_dropout(Recipe())], ids=["clipped", "dropout"])
def test_two_replicas_train_what_one_process_trains(recipe: Recipe, tmp_path: Path) -> None:
    with swarm(tmp_path / "s", recipe, members=[0, 1, 1, 2]) as many:
        _train(tmp_path, many, local(recipe), events={})

        shares = [host.stage.worker.microbatches for host in many.hosts if host.stage.worker is not None]
    assert shares == [120, 60, 60, 120]


def test_a_peer_that_comes_late_learns_from_its_neighbour_and_takes_part(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    def come(many: Swarm) -> None:
        late = join(many, tmp_path / "late", StagePlace(1, CLIPPED.num_stages))
        assert wait_until(lambda: late.stage.executor is not None, 60.0)

    with swarm(tmp_path / "s", CLIPPED) as many:
        _train(tmp_path, many, local(CLIPPED), events={6: come})

        early, late = (many.hosts[index].stage.worker for index in (1, 3))
        assert early is not None
        assert late is not None
        assert early.microbatches + late.microbatches == 120
        assert late.microbatches >= 30
    assert "joined stage 1" in caplog.text
    assert "goes back" not in caplog.text


def test_the_others_go_on_without_a_replica_that_leaves_in_a_step(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leave_at_the_next_frame(many: Swarm) -> None:
        leaving = many.hosts[2].stage.worker
        assert leaving is not None

        def handle(frame: Frame) -> None:
            if frame.kind == "gradient":
                monkeypatch.undo()
                Thread(target=leave, args=(many, 2)).start()
                return
            StageWorker.handle(leaving, frame)

        monkeypatch.setattr(leaving, "handle", handle)

    with swarm(tmp_path / "s", CLIPPED, members=[0, 1, 1, 2]) as many:
        _train(tmp_path, many, local(CLIPPED), events={7: leave_at_the_next_frame})

        left = many.hosts[1].stage.worker
        assert left is not None
        assert len(many.hosts) == 3
        assert left.microbatches >= 7 * 3 + 13 * 6
    assert "goes back to version 7" in caplog.text
    assert "the swarm is whole again" in caplog.text
    assert "doing" not in caplog.text
