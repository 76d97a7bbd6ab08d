# SPDX-License-Identifier: Apache-2.0
import pytest
from pydantic import ValidationError

from node0.models.llama.arguments import LlamaArguments, RopeScaling


def test_defaults_are_those_of_llama_2() -> None:
    args = LlamaArguments()

    assert args.vocab_size == 32000
    assert args.max_seq_len == 2048


def test_a_small_shape_is_made_from_four_fields() -> None:
    args = LlamaArguments(hidden_dim=64, n_heads=2, num_hidden_layers=2, n_kv_heads=2)

    assert (args.hidden_dim, args.num_hidden_layers) == (64, 2)


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(ValidationError):
        LlamaArguments(hidden_size=64)


def test_a_scaling_rule_that_is_not_computed_is_refused() -> None:
    assert RopeScaling().rope_type == "llama3"
    with pytest.raises(ValidationError):
        RopeScaling.model_validate({"rope_type": "yarn"})
