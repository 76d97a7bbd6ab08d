# SPDX-License-Identifier: Apache-2.0
"""Adapters on all layers of a stage, whole or cut."""

import pytest
import torch
from torch import Tensor, nn

from node0.errors import BadCheckpoint, ConfigError, NotFound
from node0.lora.adapter import (
    apply_lora,
    dropout_key,
    get_lora_parameters,
    load_lora_state_dict,
    lora_state_dict,
    merge_adapter,
    remove_adapter,
    set_adapter,
    unmerge_adapter,
)
from node0.lora.linear import DropoutKey, LoRALinear
from node0.lora.lora_config import ALL_LINEAR, LoRAConfig
from node0.models.factory import build_stages
from node0.models.llama.arguments import LlamaArguments
from node0.models.llama.layers import LlamaStage, SoloExpert

ARGS = LlamaArguments(hidden_dim=32, n_heads=4, n_kv_heads=2, num_hidden_layers=3, vocab_size=61, ffn_dim=48)
CONFIG = LoRAConfig(rank=4, alpha=8, dropout=0.0, target_modules=list(ALL_LINEAR))
IDS = torch.randint(0, 61, (2, 12), generator=torch.Generator().manual_seed(0))
POSITIONS = torch.arange(12).expand(2, 12)


def with_random_b(stage: LlamaStage, name: str = "default", seed: int = 0) -> LlamaStage:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in get_lora_parameters(stage, name)[1::2]:
            parameter.normal_(std=0.1, generator=generator)
    return stage


@torch.no_grad()
def logits(stages: list[LlamaStage]) -> Tensor:
    hidden = IDS
    for stage in stages:
        hidden = stage.forward_hidden(hidden, POSITIONS)
    return stages[-1].logits(hidden)


def test_only_a_and_b_are_trainable() -> None:
    stage = apply_lora(build_stages(ARGS)[0], CONFIG)

    trainable = {name for name, parameter in stage.named_parameters() if parameter.requires_grad}

    assert len(trainable) == 3 * 7 * 2
    assert all(".lora_A." in name or ".lora_B." in name for name in trainable)
    assert {id(p) for p in get_lora_parameters(stage)} == {
        id(p) for p in stage.parameters() if p.requires_grad
    }


def test_base_names_do_not_change() -> None:
    before = {name for name, _ in build_stages(ARGS)[0].named_parameters()}

    after = {name for name, _ in apply_lora(build_stages(ARGS)[0], CONFIG).named_parameters()}

    assert before <= after


def test_arguments_with_a_rank_make_an_adapter_at_construction() -> None:
    stage = SoloExpert(ARGS.model_copy(update={"lora_rank": 5, "lora_target_modules": ["wq", "w2"]}))

    shapes = {tuple(parameter.shape) for parameter in get_lora_parameters(stage)}

    assert shapes == {(5, 32), (32, 5), (5, 48)}


def test_stages_with_a_fresh_adapter_equal_the_base() -> None:
    wanted = logits(build_stages(ARGS))

    assert torch.equal(logits([apply_lora(build_stages(ARGS)[0], CONFIG)]), wanted)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_unmerge_gives_back_every_bit(dtype: torch.dtype) -> None:
    (stage,) = build_stages(ARGS, dtype=dtype)
    with_random_b(apply_lora(stage, CONFIG))
    weights = {name: value.clone() for name, value in stage.state_dict().items()}
    active = logits([stage])

    merge_adapter(stage)
    merged = logits([stage])
    unmerge_adapter(stage)

    assert torch.allclose(merged, active, atol=1e-4 if dtype == torch.float32 else 0.2)
    assert all(torch.equal(weights[name], value) for name, value in stage.state_dict().items())
    assert torch.equal(logits([stage]), active)


def test_merging_twice_adds_once() -> None:
    (stage,) = build_stages(ARGS)
    with_random_b(apply_lora(stage, CONFIG))

    merge_adapter(stage)
    once = logits([stage])
    merge_adapter(stage)

    assert torch.equal(logits([stage]), once)


def test_adapters_are_switched_by_name() -> None:
    (stage,) = build_stages(ARGS)
    base = logits([stage])
    for seed, name in enumerate(("first", "second"), start=1):
        apply_lora(stage, LoRAConfig(rank=seed + 1, dropout=0.0), name)
        with_random_b(stage, name, seed)
    second = logits([stage])

    set_adapter(stage, "first")
    first = logits([stage])
    merge_adapter(stage)
    set_adapter(stage, "second")

    assert not torch.allclose(first, second)
    assert torch.equal(logits([stage]), second)
    set_adapter(stage, None)
    assert torch.equal(logits([stage]), base)
    remove_adapter(stage, "second")
    with pytest.raises(NotFound, match="no adapter 'second'; loaded: first"):
        set_adapter(stage, "second")


@pytest.mark.parametrize("num_stages", [2, 3])
def test_fresh_adapters_are_the_same_whatever_the_split(num_stages: int) -> None:
    def draws(stages: list[LlamaStage]) -> dict[str, Tensor]:
        return {
            key: value
            for stage in stages
            for key, value in lora_state_dict(apply_lora(stage, CONFIG, seed=4)).items()
        }

    whole, cut = draws(build_stages(ARGS)), draws(build_stages(ARGS, num_stages))

    assert whole.keys() == cut.keys()
    assert all(torch.equal(whole[key], cut[key]) for key in whole)
    first, other = (whole[f"layers.{index}.attention.wq.lora_A.weight"] for index in (0, 1))
    assert not torch.equal(first, other)


def test_a_state_dict_goes_into_another_stage() -> None:
    (source,), (target,) = build_stages(ARGS), build_stages(ARGS)
    with_random_b(apply_lora(source, CONFIG))
    apply_lora(target, CONFIG, seed=9)

    load_lora_state_dict(target, lora_state_dict(source))

    assert torch.equal(logits([target]), logits([source]))


def test_a_state_dict_without_a_tensor_is_refused() -> None:
    (stage,) = build_stages(ARGS)
    apply_lora(stage, CONFIG)
    tensors = lora_state_dict(stage)
    del tensors["layers.1.feed_forward.w2.lora_B.weight"]

    with pytest.raises(BadCheckpoint, match=r"no tensor layers\.1\.feed_forward\.w2\.lora_B\.weight"):
        load_lora_state_dict(stage, tensors)


def test_a_target_that_names_no_layer_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"no linear layer is named \['q_proj'\]"):
        apply_lora(build_stages(ARGS)[0], LoRAConfig(target_modules=["q_proj"]))


def test_a_bare_linear_is_wrapped() -> None:
    layer = apply_lora(nn.Linear(4, 4), CONFIG)

    assert isinstance(layer, LoRALinear)
    assert not layer.weight.requires_grad


def dropped(stages: list[LlamaStage], key: DropoutKey | None) -> Tensor:
    for stage in stages:
        dropout_key(stage.train(), key)
    return logits(stages)


@pytest.mark.parametrize("num_stages", [2, 3])
def test_dropout_masks_follow_the_key_and_not_the_split(num_stages: int) -> None:
    config = CONFIG.model_copy(update={"dropout": 0.3})
    split = [with_random_b(apply_lora(stage, config)) for stage in build_stages(ARGS, num_stages)]
    (whole,) = build_stages(ARGS)
    apply_lora(whole, config)
    load_lora_state_dict(whole, {k: v for stage in split for k, v in lora_state_dict(stage).items()})

    first = dropped(split, DropoutKey(0, 7, 1))

    assert torch.equal(first, dropped([whole], DropoutKey(0, 7, 1)))
    assert not torch.equal(first, dropped(split, DropoutKey(0, 7, 2)))
    assert not torch.equal(first, dropped(split, DropoutKey(0, 8, 1)))
