# SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tiny_run import configure, make_base, make_corpus

from node0.finetune.training.engines.placement import IN_PROCESS, Placement
from node0.finetune.training.engines.run_engine import Engine
from node0.finetune.training.plan.run_plan import RunPlan, make_plan
from node0.pipeline.local import LocalPipeline


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> RunPlan:
    place = tmp_path_factory.mktemp("plan")
    make_base(place)
    make_corpus(place / "corpus")
    return make_plan(configure(place, num_stages=2))


def test_a_run_is_in_this_process_unless_it_is_placed_elsewhere(plan: RunPlan) -> None:
    with IN_PROCESS.open(plan) as engine:
        assert isinstance(engine.pipeline, LocalPipeline)
        assert engine.stage_names == ["head-0", "tail-1"]


def test_stages_elsewhere_are_opened_for_the_plan_and_closed_at_the_end(plan: RunPlan) -> None:
    seen: list[object] = []

    @contextmanager
    def remote(given: RunPlan) -> Iterator[Engine]:
        seen.append(given)
        with IN_PROCESS.open(given) as engine:
            yield engine
        seen.append("closed")

    with Placement(remote=remote).open(plan):
        assert seen == [plan]

    assert seen[1:] == ["closed"]
