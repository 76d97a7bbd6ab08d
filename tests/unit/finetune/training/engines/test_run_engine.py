# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
import torch
from tiny_run import configure, make_base, make_corpus

from node0.errors import ConfigError
from node0.finetune.checkpoint.peft import export_peft
from node0.finetune.training.engines.run_engine import build_engine
from node0.finetune.training.plan.run_plan import make_plan
from node0.lora.lora_config import LoRAConfig

LORA = {"rank": 4, "alpha": 8, "dropout": 0.0, "target_modules": ["wq", "wv"]}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("engine")
    make_base(place)
    make_corpus(place / "corpus")
    return place


def trained(engine) -> set[str]:  # type: ignore[no-untyped-def]  # an Engine
    return {
        name for stage in engine.stages for name, weight in stage.named_parameters() if weight.requires_grad
    }


def test_with_an_adapter_nothing_else_trains_and_without_one_everything(place: Path) -> None:
    adapter = build_engine(make_plan(configure(place, lora=LORA)))
    everything = build_engine(make_plan(configure(place, lora=None)))

    assert trained(adapter)
    assert all("lora_" in name for name in trained(adapter))
    assert trained(everything) == {
        name for stage in everything.stages for name, _ in stage.named_parameters()
    }


def test_an_initial_adapter_is_taken_up_if_it_is_of_the_wanted_kind(place: Path, tmp_path: Path) -> None:
    first = build_engine(make_plan(configure(place, lora=LORA)))
    with torch.no_grad():
        for name, weight in first.stages[0].named_parameters():
            if "lora_B" in name:
                weight.fill_(0.5)
    config = LoRAConfig.model_validate(LORA)
    export_peft(first.stages, tmp_path, base_name="base", base_digest=None, config=config)

    second = build_engine(make_plan(configure(place, lora=LORA, init_adapter=str(tmp_path))))

    weights = dict(second.stages[0].named_parameters())
    assert all(bool((weights[name] == 0.5).all()) for name in weights if "lora_B" in name)
    with pytest.raises(ConfigError, match="set lora as the adapter has it"):
        build_engine(make_plan(configure(place, lora={**LORA, "rank": 2}, init_adapter=str(tmp_path))))


def test_in_one_process_there_is_nobody_to_refresh_from_or_to_share_with(place: Path) -> None:
    engine = build_engine(make_plan(configure(place, lora=LORA)))
    before = {name: weight.clone() for name, weight in engine.stages[0].named_parameters()}

    engine.refresh()
    engine.spread(1, "{}")

    assert all(torch.equal(before[name], weight) for name, weight in engine.stages[0].named_parameters())
    assert engine.stage_names == ["solo-0"]
