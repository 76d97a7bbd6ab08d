# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from node0.lora.adapter import adapter_names, apply_lora, get_lora_parameters
from node0.lora.lora_config import LoRAConfig
from node0.lora.trainable import ADAPTER, is_adapter_weight, make_trainable, trained_weights
from node0.models.factory import build_stages
from node0.models.llama.arguments import LlamaArguments
from node0.models.llama.layers import LlamaStage

ARGS = LlamaArguments(hidden_dim=16, n_heads=2, num_hidden_layers=2, vocab_size=29, ffn_dim=24)


def _stage() -> LlamaStage:
    return build_stages(ARGS, seed=1)[0]


def test_with_an_adapter_only_its_matrices_train() -> None:
    stage = _stage()
    make_trainable(stage, LoRAConfig(rank=2), seed=3)

    trained = trained_weights(stage)

    assert adapter_names(stage) == [ADAPTER]
    assert {id(weight) for weight in trained.values()} == {
        id(weight) for weight in get_lora_parameters(stage)
    }
    assert all(is_adapter_weight(name) for name in trained)


def test_without_one_every_weight_trains_even_what_was_frozen() -> None:
    stage = _stage().requires_grad_(requires_grad=False)
    assert trained_weights(stage) == {}

    make_trainable(stage, None)

    assert trained_weights(stage).keys() == dict(stage.named_parameters()).keys()
    assert not any(is_adapter_weight(name) for name in trained_weights(stage))


@pytest.mark.parametrize("seed", [0, 5])
def test_the_first_values_are_those_of_the_seed(seed: int) -> None:
    stage, expected = _stage(), apply_lora(_stage(), LoRAConfig(rank=2), seed=seed)

    make_trainable(stage, LoRAConfig(rank=2), seed=seed)

    for name, weight in trained_weights(expected).items():
        torch.testing.assert_close(trained_weights(stage)[name], weight, rtol=0, atol=0)
