# SPDX-License-Identifier: Apache-2.0
"""What makes a model and a run an engine; nobody is dialled before it is joined."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from batch_parts import write_adapter
from tiny_run import make_base
from unit.commands.serve.test_serve_models import REQUEST

from node0.commands.finetune.remote_flags import RemoteFlags
from node0.commands.serve.model_offers import Offer
from node0.commands.serve.serve_models import ServeRequest
from node0.commands.serve.swarm_stages import stages_engine
from node0.errors import ConfigError
from node0.finetune.inference.source import ModelSource
from node0.models.base_model import resolve_base
from node0.swarm.run.run_file import write_run
from node0.swarm.run.swarm_run import SwarmRun


@pytest.fixture
def source(tmp_path: Path) -> ModelSource:
    base = make_base(tmp_path)
    adapter = write_adapter(base, tmp_path / "adapter", seed=1)
    return ModelSource("deacon:3", resolve_base(base), (adapter,))


def _request(directory: Path, source: ModelSource, *, digest: str | None = None) -> ServeRequest:
    run = SwarmRun(local_mode=True, num_stages=2, base_digest=digest or source.base.digest)
    write_run(directory, run)
    return replace(REQUEST, remote=RemoteFlags(True, directory))


@pytest.mark.parametrize("adapters", [0, 1])
def test_an_engine_waits_for_its_stages(adapters: int, source: ModelSource, tmp_path: Path) -> None:
    request = _request(tmp_path, source)
    offer = Offer(replace(source, adapters=source.adapters[:adapters]), ["d"], "d")

    async def run() -> None:
        engine = stages_engine(request, offer)
        assert (await engine.ready(), engine.waiting()) == ("waiting for the stages", {"d": 0})
        await engine.close()

    asyncio.run(run())
    assert not (tmp_path / "identities").exists()


def test_a_run_of_another_base_is_refused(source: ModelSource, tmp_path: Path) -> None:
    request = _request(tmp_path, source, digest="f" * 64)

    with pytest.raises(ConfigError, match="the run is of base ffffffffffff and deacon:3 is of"):
        stages_engine(request, Offer(source, ["d"], "d"))


def test_two_adapters_are_refused(source: ModelSource, tmp_path: Path) -> None:
    both = replace(source, adapters=source.adapters * 2)

    with pytest.raises(ConfigError, match=r"stages hold one adapter and deacon:3 has 2"):
        stages_engine(_request(tmp_path, source), Offer(both, ["d"], "d"))


def test_a_type_that_stages_do_not_know_is_refused(source: ModelSource, tmp_path: Path) -> None:
    request = replace(_request(tmp_path, source), dtype="float8")

    with pytest.raises(ConfigError, match="dtype 'float8' is unknown"):
        stages_engine(request, Offer(source, ["d"], "d"))
