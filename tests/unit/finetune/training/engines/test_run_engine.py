# SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_run import FRESH, configure, fresh_arguments, make_base, make_corpus
from torch import Tensor

from node0.errors import BadCheckpoint, ConfigError
from node0.finetune.checkpoint.peft import export_peft
from node0.finetune.training.engines.run_engine import build_engine
from node0.finetune.training.plan.run_plan import RunPlan, make_plan
from node0.lora.trainable import is_adapter_weight, trained_weights
from node0.models.factory import build_stages
from node0.models.llama.layers import LlamaStage
from node0.pipeline.local import LocalPipeline
from node0.pipeline.parallel import DataParallelPipeline
from node0.pipeline.ranks import GroupOfRanks

LORA = {"rank": 4, "alpha": 8, "dropout": 0.05, "target_modules": ["wq", "wv"]}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus and a base, for every run here."""
    directory = tmp_path_factory.mktemp("engine")
    make_corpus(directory / "corpus", sessions=4)
    make_base(directory)
    return directory


def plan(place: Path, **changes: Any) -> RunPlan:
    return make_plan(configure(place, **{"lora": LORA, **changes}))


def fresh_plan(place: Path, **changes: Any) -> RunPlan:
    nothing = {"base_model": None, "lora": None, "fresh_model": FRESH, "tokenizer": str(place / "tokenizer")}
    return plan(place, **nothing, **changes)


def weights(stages: Iterable[LlamaStage]) -> dict[str, Tensor]:
    return {name: weight for stage in stages for name, weight in stage.state_dict().items()}


def trained(stages: Iterable[LlamaStage]) -> dict[str, Tensor]:
    return {name: weight for stage in stages for name, weight in trained_weights(stage).items()}


def same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def adapter_on_disk(place: Path, directory: Path, *, digest: str | None = None, **lora: Any) -> Path:
    """An adapter whose every matrix holds 0.5, for the base of `place`."""
    one = plan(place, lora={**LORA, **lora})
    stages = build_engine(one).stages
    for weight in trained(stages).values():
        weight.data.fill_(0.5)
    export_peft(stages, directory, base_name="base", base_digest=digest or one.base_digest)
    return directory


def test_the_weights_are_those_of_the_base_and_only_the_adapter_trains(place: Path) -> None:
    stages = build_engine(plan(place)).stages

    base = {name: weight for name, weight in weights(stages).items() if not is_adapter_weight(name)}
    drawn = weights(build_stages(fresh_arguments(), 1, seed=7))
    assert [weight.sum().item() for weight in base.values()] == [
        weight.sum().item() for weight in drawn.values()
    ]
    assert trained(stages) and all(map(is_adapter_weight, trained(stages)))


def test_without_an_adapter_every_weight_of_the_base_trains(place: Path) -> None:
    stages = build_engine(plan(place, lora=None)).stages

    assert same(trained(stages), weights(build_stages(fresh_arguments(), 1, seed=7)))


def test_a_fresh_model_depends_on_its_seed_alone(place: Path) -> None:
    first, again, other = (build_engine(fresh_plan(place, seed=seed)).stages for seed in (3, 3, 4))

    assert same(weights(first), weights(build_stages(fresh_arguments(), 1, seed=3)))
    assert same(weights(first), weights(again))
    assert not same(weights(first), weights(other))


@pytest.mark.parametrize("make", [plan, fresh_plan])
def test_a_model_cut_into_stages_starts_from_the_same_weights(place: Path, make: Any) -> None:
    whole, cut = build_engine(make(place)), build_engine(make(place, num_stages=2))

    assert (whole.stage_names, cut.stage_names) == (["solo-0"], ["head-0", "tail-1"])
    assert same(weights(whole.stages), weights(cut.stages))


def test_one_process_has_a_local_pipeline_with_the_optimizer_of_the_run(place: Path) -> None:
    engine = build_engine(plan(place, weight_decay=0.25))

    assert isinstance(engine.pipeline, LocalPipeline)
    assert engine.pipeline.stages == engine.stages
    assert engine.pipeline.optimizer.weight_decay == 0.25


def test_a_rank_of_a_group_shares_its_batches(place: Path) -> None:
    ranks = GroupOfRanks(rank=1, size=2)

    engine = build_engine(plan(place), ranks)

    assert isinstance(engine.pipeline, DataParallelPipeline)
    assert engine.pipeline.ranks is ranks
    assert engine.pipeline.local.stages == engine.stages


@pytest.mark.parametrize("num_stages", [1, 2])
def test_training_may_go_on_from_an_adapter(place: Path, tmp_path: Path, num_stages: int) -> None:
    adapter = adapter_on_disk(place, tmp_path / "adapter")

    stages = build_engine(plan(place, init_adapter=str(adapter), num_stages=num_stages)).stages

    assert all(map(is_adapter_weight, trained(stages)))
    assert {weight.unique().tolist()[0] for weight in trained(stages).values()} == {0.5}
    assert trained(stages).keys() == trained(build_engine(plan(place)).stages).keys()


def test_the_order_in_which_layers_are_named_makes_no_other_adapter(place: Path, tmp_path: Path) -> None:
    adapter = adapter_on_disk(place, tmp_path / "adapter")
    other_order = {**LORA, "target_modules": ["wv", "wq"]}

    stages = build_engine(plan(place, init_adapter=str(adapter), lora=other_order)).stages

    assert trained(stages)


@pytest.mark.parametrize(
    "changes", [{"rank": 2}, {"alpha": 16}, {"dropout": 0.5}, {"target_modules": ["wq"]}]
)
def test_an_adapter_of_another_kind_is_refused_with_both_kinds(
    place: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    adapter = adapter_on_disk(place, tmp_path / "adapter", **changes)

    with pytest.raises(ConfigError, match="set lora as the adapter has it") as caught:
        build_engine(plan(place, init_adapter=str(adapter)))
    ((name, value),) = changes.items()
    assert f"'{name}': {value}" in str(caught.value)
    assert f"'{name}': {LORA[name]}" in str(caught.value)


def test_an_adapter_of_another_base_is_refused(place: Path, tmp_path: Path) -> None:
    adapter = adapter_on_disk(place, tmp_path / "adapter", digest="0" * 64)

    with pytest.raises(BadCheckpoint):
        build_engine(plan(place, init_adapter=str(adapter)))


def test_in_one_process_there_is_nobody_to_refresh_from_or_to_share_with(place: Path) -> None:
    engine = build_engine(plan(place))
    before = {name: weight.clone() for name, weight in weights(engine.stages).items()}

    engine.refresh()
    engine.spread(1, "{}")

    assert same(before, weights(engine.stages))
