# SPDX-License-Identifier: Apache-2.0

import pytest
from pydantic import ValidationError

from node0.models.arguments import ModelArguments


def test_lora_fields_pass_through_validation() -> None:
    args = ModelArguments(lora_rank=8, lora_alpha=16, lora_dropout=0.1, lora_target_modules=["wq"])

    assert (args.lora_rank, args.lora_alpha, args.lora_dropout) == (8, 16.0, 0.1)
    assert ModelArguments().lora_rank is None
    assert ModelArguments().lora_target_modules == ["wq", "wk", "wv", "wo"]


def test_a_shape_without_width_is_refused() -> None:
    with pytest.raises(ValidationError):
        ModelArguments(hidden_dim=0)
