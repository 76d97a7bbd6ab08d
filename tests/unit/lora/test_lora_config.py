# SPDX-License-Identifier: Apache-2.0
import pytest
from pydantic import ValidationError

from node0.lora.lora_config import LoRAConfig


def test_lora_defaults_are_the_plans() -> None:
    config = LoRAConfig()

    assert (config.rank, config.alpha, config.dropout) == (64, 128.0, 0.05)
    assert config.target_modules == ["wq", "wk", "wv", "wo"]


@pytest.mark.parametrize(
    ("given", "alpha"),
    [
        ({"rank": 8}, 16.0),
        ({"rank": "8"}, 16.0),
        ({"rank": 8.0}, 16.0),
        ({"rank": 8, "alpha": None}, 16.0),
        ({"alpha": 16}, 16.0),
        ({"rank": 8, "alpha": 128.0}, 128.0),
    ],
)
def test_alpha_is_twice_the_rank_unless_it_is_given(given: dict[str, object], alpha: float) -> None:
    config = LoRAConfig.model_validate(given)

    assert config.alpha == alpha
    assert (
        LoRAConfig(**config.model_dump())
        == LoRAConfig.model_validate_json(config.model_dump_json())
        == config
    )


@pytest.mark.parametrize(
    "wrong",
    [{"rank": 0}, {"alpha": 0}, {"dropout": 1.0}, {"target_modules": []}, {"alpha": float("inf")}, {"r": 8}],
)
def test_an_adapter_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        LoRAConfig.model_validate(wrong)
