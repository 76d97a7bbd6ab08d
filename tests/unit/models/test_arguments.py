# SPDX-License-Identifier: Apache-2.0
"""The plan's one-liners on arguments."""

import pytest
from pydantic import ValidationError

from node0.finetune.config import FineTuneConfig
from node0.lora.lora_config import LoRAConfig
from node0.models.arguments import ModelArguments
from node0.models.llama.arguments import LlamaArguments


def test_defaults_are_those_of_llama_2() -> None:
    args = LlamaArguments()

    assert args.vocab_size == 32000
    assert args.max_seq_len == 2048


def test_a_small_shape_is_made_from_four_fields() -> None:
    args = LlamaArguments(hidden_dim=64, n_heads=2, num_hidden_layers=2, n_kv_heads=2)

    assert (args.hidden_dim, args.num_hidden_layers) == (64, 2)


def test_lora_fields_pass_through_validation() -> None:
    args = ModelArguments(lora_rank=8, lora_alpha=16, lora_dropout=0.1, lora_target_modules=["wq"])

    assert (args.lora_rank, args.lora_alpha, args.lora_dropout) == (8, 16.0, 0.1)
    assert ModelArguments().lora_rank is None
    assert ModelArguments().lora_target_modules == ["wq", "wk", "wv", "wo"]


def test_lora_defaults_are_the_plans() -> None:
    config = LoRAConfig()

    assert (config.rank, config.alpha, config.dropout) == (64, 128.0, 0.05)
    assert FineTuneConfig(role="deacon", corpus_path="c", checkpoint_dir="d").mode == "sft"


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(ValidationError):
        LlamaArguments(hidden_size=64)
