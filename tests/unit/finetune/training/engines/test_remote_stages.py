# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from tiny_run import configure, make_base, make_corpus

from node0.errors import ConfigError
from node0.finetune.training.engines.remote_stages import RemoteStages
from node0.finetune.training.plan.run_plan import RunPlan, make_plan


@pytest.fixture
def plan(tmp_path: Path) -> RunPlan:
    make_base(tmp_path)
    make_corpus(tmp_path / "corpus")
    return make_plan(configure(tmp_path))


def test_a_directory_without_a_run_is_refused_before_a_peer_starts(plan: RunPlan, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="run"), RemoteStages(run=tmp_path / "nowhere").open(plan):
        pass


def test_a_seed_that_is_no_address_is_refused_before_a_peer_starts(plan: RunPlan) -> None:
    stages = RemoteStages(initial_peers=("10.0.0.5:4100",))

    with pytest.raises(ConfigError, match=r"10\.0\.0\.5:4100"), stages.open(plan):
        pass
