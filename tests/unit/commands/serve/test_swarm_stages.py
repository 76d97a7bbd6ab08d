# SPDX-License-Identifier: Apache-2.0
"""What makes a model and a run an engine; nobody is dialled before it is joined."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from batch_parts import write_adapter
from tiny_run import make_base

from node0.commands.finetune.remote_flags import RemoteFlags
from node0.commands.serve.model_offers import Offer
from node0.commands.serve.swarm_stages import stages_engine
from node0.errors import ConfigError
from node0.finetune.inference.source import ModelSource
from node0.finetune.serving.engines.stages_engine import StagesEngine
from node0.models.base_model import resolve_base
from node0.swarm.run.run_file import write_run
from node0.swarm.run.swarm_run import SwarmRun


@pytest.fixture
def source(tmp_path: Path) -> ModelSource:
    base = make_base(tmp_path)
    adapter = write_adapter(base, tmp_path / "adapter", seed=1)
    return ModelSource("deacon:3", resolve_base(base), (adapter,))


@pytest.fixture
def made(source: ModelSource, tmp_path: Path) -> Callable[..., StagesEngine]:
    """An engine for a model over a run of two stages."""

    def make(source: ModelSource, *, digest: str = source.base.digest, dtype: str = "auto") -> StagesEngine:
        write_run(tmp_path, SwarmRun(local_mode=True, num_stages=2, base_digest=digest))
        offer, remote = Offer(source, ["d"], "d"), RemoteFlags(True, tmp_path)
        return stages_engine(offer, remote, dtype=dtype, max_running=2, max_waiting=2)

    return make


@pytest.mark.parametrize("adapters", [0, 1])
def test_an_engine_waits_for_its_stages(
    adapters: int, made: Callable[..., StagesEngine], source: ModelSource, tmp_path: Path
) -> None:
    async def run() -> None:
        engine = made(replace(source, adapters=source.adapters[:adapters]))
        assert (await engine.ready(), engine.waiting()) == ("waiting for the stages", {"d": 0})
        await engine.close()

    asyncio.run(run())
    assert not (tmp_path / "identities").exists()


def test_a_run_of_another_base_is_refused(made: Callable[..., StagesEngine], source: ModelSource) -> None:
    with pytest.raises(ConfigError, match="the run is of base ffffffffffff and deacon:3 is of"):
        made(source, digest="f" * 64)


def test_two_adapters_are_refused(made: Callable[..., StagesEngine], source: ModelSource) -> None:
    with pytest.raises(ConfigError, match=r"stages hold one adapter and deacon:3 has 2"):
        made(replace(source, adapters=source.adapters * 2))


def test_a_type_that_stages_do_not_know_is_refused(
    made: Callable[..., StagesEngine], source: ModelSource
) -> None:
    with pytest.raises(ConfigError, match="dtype 'float8' is unknown"):
        made(source, dtype="float8")
