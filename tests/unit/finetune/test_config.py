# SPDX-License-Identifier: Apache-2.0
from typing import Any

import pytest

from node0.errors import ConfigError
from node0.finetune.config import FineTuneConfig
from node0.settings import assignments, resolve

NEEDED = {"role": "deacon", "corpus_path": "corpus", "checkpoint_dir": "run"}


@pytest.mark.parametrize(
    "changes",
    [
        {"lr": float("nan")},
        {"lr": float("inf")},
        {"epochs": float("inf")},
        {"eps": 0},
        {"weight_decay": float("inf")},
        {"betas": [0.9, 1.0]},
        {"betas": [-0.1, 0.9]},
        {"betas": [0.9]},
        {"lora": {"alpha": float("inf")}},
        {"select": {"min_quality": float("nan")}},
        {"val_split": 1},
    ],
    ids=str,
)
def test_numbers_with_which_nothing_can_be_trained_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(changes))) as caught:
        resolve(FineTuneConfig, flags={**NEEDED, **changes})

    assert "\n" not in str(caught.value)


def test_the_usual_numbers_are_taken() -> None:
    flags = {**NEEDED, **assignments(["lr=1e-3", "betas=[0.9, 0.95]", "lora.alpha=16"])}

    config = resolve(FineTuneConfig, flags=flags).values

    assert (config.lr, config.betas) == (0.001, (0.9, 0.95))
    assert config.lora is not None and config.lora.alpha == 16


@pytest.mark.parametrize("text", ["2026-01-31", "'2026-01-31'", "2026-01-31T06:00:00Z", "null"])
def test_a_date_is_taken_with_and_without_quotes(text: str) -> None:
    config = resolve(FineTuneConfig, flags={**NEEDED, **assignments([f"select.since={text}"])}).values

    since = config.select.since
    assert since is None if text == "null" else since is not None and since.startswith("2026-01-31")


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        ("wandb", ["wandb"]),
        ("wandb, mlflow", ["wandb", "mlflow"]),
        (["tensorboard", "wandb", "tensorboard"], ["tensorboard", "wandb"]),
        ("none", []),
        (["none"], []),
        (None, []),
    ],
    ids=str,
)
def test_trackers_are_named_as_other_trainers_name_them(typed: object, names: list[str]) -> None:
    assert resolve(FineTuneConfig, yaml={**NEEDED, "report_to": typed}).values.report_to == names


@pytest.mark.parametrize("typed", ["all", "wandb,none", "swanlab", [["wandb"]], 3, {"wandb": True}], ids=str)
def test_what_is_no_tracker_is_refused_by_name(typed: object) -> None:
    with pytest.raises(ConfigError, match="report_to"):
        resolve(FineTuneConfig, yaml={**NEEDED, "report_to": typed})
