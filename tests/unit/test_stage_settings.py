# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from pydantic import ValidationError

from node0.finetune.config import FineTuneConfig
from node0.stage_settings import OptimizerConfig, StageSettings

RUN = {"role": "deacon", "corpus_path": Path("corpus"), "checkpoint_dir": Path("run")}


def test_the_optimizer_of_a_run_has_the_runs_own_values() -> None:
    config = FineTuneConfig(**RUN, lr=1e-3, betas=(0.8, 0.9), eps=1e-6, weight_decay=0.1, max_grad_norm=None)

    assert config.optimizer == OptimizerConfig(
        lr=1e-3, betas=(0.8, 0.9), eps=1e-6, weight_decay=0.1, max_grad_norm=None
    )


def test_a_run_and_an_optimizer_alone_have_the_same_defaults() -> None:
    assert FineTuneConfig(**RUN).optimizer == OptimizerConfig() == StageSettings().optimizer


def test_what_travels_as_json_reads_back_the_same() -> None:
    optimizer = OptimizerConfig(lr=2e-4, betas=(0.85, 0.95))

    assert OptimizerConfig(**optimizer.model_dump(mode="json")) == optimizer


@pytest.mark.parametrize(
    "wrong", [{"lr": 0.0}, {"betas": (0.9, 1.0)}, {"eps": 0.0}, {"max_grad_norm": -1.0}, {"rate": 1e-3}]
)
def test_what_no_optimizer_can_use_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        OptimizerConfig.model_validate(wrong)


def test_fields_of_a_run_come_from_what_is_trained_to_how() -> None:
    fields = list(FineTuneConfig.model_fields)

    assert fields[:4] == ["mode", "role", "corpus_path", "checkpoint_dir"]
    assert fields.index("num_stages") < fields.index("lr") < fields.index("lora") < fields.index("scheduler")
