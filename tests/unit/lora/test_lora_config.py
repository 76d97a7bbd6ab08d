# SPDX-License-Identifier: Apache-2.0
import pytest
from pydantic import ValidationError

from node0.lora.lora_config import LoRAConfig


def test_lora_defaults_are_the_plans() -> None:
    config = LoRAConfig()

    assert (config.rank, config.alpha, config.dropout) == (64, 128.0, 0.05)
    assert config.target_modules == ["wq", "wk", "wv", "wo"]


@pytest.mark.parametrize(
    "wrong",
    [{"rank": 0}, {"alpha": 0}, {"dropout": 1.0}, {"target_modules": []}, {"alpha": float("inf")}, {"r": 8}],
)
def test_an_adapter_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        LoRAConfig.model_validate(wrong)
