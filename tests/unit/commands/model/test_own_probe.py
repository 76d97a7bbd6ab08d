# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from tiny_run import make_base

from node0.commands.model.own_probe import probe_own
from node0.errors import BadCheckpoint, EndpointUnfit, NotFound
from node0.finetune.deploy.endpoint import Wanted
from node0.finetune.registry.publish import publish
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town


@pytest.fixture
def registered(town: Path) -> Path:
    """The files of a whole model that is registered as deacon:1."""
    registry = ModelRegistry(Town(town))
    entry = publish(registry, make_base(town), name="deacon", role="deacon", models=Town(town).models).entry
    registry.close()
    return Path(entry.artifact_path)


def test_a_version_that_gives_a_token_passes(town: Path, registered: Path) -> None:
    probe_own(Wanted(model="deacon:1", context_window=512), town=town)


def test_a_shorter_window_than_promised_is_refused(town: Path, registered: Path) -> None:
    with pytest.raises(EndpointUnfit, match="holds 512 tokens, its profile says 4096"):
        probe_own(Wanted(model="deacon:1", context_window=4096), town=town)


def test_a_version_that_is_not_there_or_damaged_is_named(town: Path, registered: Path) -> None:
    with pytest.raises(NotFound, match="no version 2 of model"):
        probe_own(Wanted(model="deacon:2", context_window=1), town=town)

    weights = registered / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0")

    with pytest.raises(BadCheckpoint, match=r"model\.safetensors"):
        probe_own(Wanted(model="deacon:1", context_window=1), town=town)
