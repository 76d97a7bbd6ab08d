# SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tiny_run import configure, make_base, make_corpus

from node0.finetune.training.engines.placement import IN_PROCESS, Placement
from node0.finetune.training.engines.run_engine import Engine, build_engine
from node0.finetune.training.plan.run_plan import RunPlan, make_plan
from node0.pipeline.local import LocalPipeline
from node0.pipeline.parallel import DataParallelPipeline
from node0.pipeline.ranks import GroupOfRanks


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> RunPlan:
    place = tmp_path_factory.mktemp("placement")
    make_corpus(place / "corpus", sessions=4)
    make_base(place)
    return make_plan(configure(place))


class Elsewhere:
    """Stages in other processes, which know how long they were wanted."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.told = engine, []

    @contextmanager
    def open(self, plan: RunPlan) -> Iterator[Engine]:
        self.told.append(("opened", plan))
        try:
            yield self.engine
        finally:
            self.told.append(("closed", plan))


def test_by_default_every_stage_is_in_this_process_which_writes(plan: RunPlan) -> None:
    with IN_PROCESS.open(plan) as engine:
        assert isinstance(engine.pipeline, LocalPipeline)
        assert engine.pipeline.stages == engine.stages

    assert IN_PROCESS.ranks.leads


def test_a_rank_has_every_stage_too_and_shares_the_work(plan: RunPlan) -> None:
    ranks = GroupOfRanks(rank=1, size=2)

    with Placement(ranks).open(plan) as engine:
        pipeline = engine.pipeline

    assert isinstance(pipeline, DataParallelPipeline)
    assert pipeline.ranks is ranks
    assert not ranks.leads


def test_stages_elsewhere_are_let_go_at_the_end_of_the_run(plan: RunPlan) -> None:
    elsewhere = Elsewhere(build_engine(plan))

    with Placement(remote=elsewhere.open).open(plan) as engine:
        assert engine is elsewhere.engine
        assert elsewhere.told == [("opened", plan)]

    assert elsewhere.told == [("opened", plan), ("closed", plan)]


def test_stages_elsewhere_are_let_go_when_the_run_fails(plan: RunPlan) -> None:
    elsewhere = Elsewhere(build_engine(plan))

    with pytest.raises(KeyboardInterrupt), Placement(remote=elsewhere.open).open(plan):
        raise KeyboardInterrupt

    assert [what for what, _ in elsewhere.told] == ["opened", "closed"]
