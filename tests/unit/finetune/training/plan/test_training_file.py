# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from node0.errors import ConfigError
from node0.finetune.training.plan.training_file import read_training_file

SECTIONED = """
model_config: {class_name: node0.models.llama.arguments.LlamaArguments, init_args: {hidden_dim: 16}}
optim_config: {class_name: torch.optim.AdamW, init_args: {lr: 0.5, weight_decay: 0.1}}
finetune_config: {class_name: node0.finetune.config.FineTuneConfig, init_args: {role: deacon, seed: 3}}
scheduler: linear
num_warmup_steps: 7
num_training_steps: 90
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.yaml"


def test_every_section_becomes_settings_of_the_run(path: Path) -> None:
    path.write_text(SECTIONED)

    assert read_training_file(path) == {
        "fresh_model": {
            "class_name": "node0.models.llama.arguments.LlamaArguments",
            "init_args": {"hidden_dim": 16},
        },
        "lr": 0.5,
        "weight_decay": 0.1,
        "role": "deacon",
        "seed": 3,
        "scheduler": "linear",
        "num_warmup_steps": 7,
        "max_steps": 90,
    }


def test_settings_may_stand_without_a_section_and_beside_one(path: Path) -> None:
    path.write_text(
        "role: deacon\nlora: {rank: 8}\noptim_config: {class_name: torch.optim.AdamW, init_args: {lr: 1}}"
    )

    assert read_training_file(path) == {"role": "deacon", "lora": {"rank": 8}, "lr": 1}


@pytest.mark.parametrize("arguments", ["", ", init_args: ", ", init_args: {}"])
def test_a_section_may_have_no_arguments(path: Path, arguments: str) -> None:
    path.write_text(f"role: deacon\noptim_config: {{class_name: torch.optim.AdamW{arguments}}}")

    assert read_training_file(path) == {"role": "deacon"}


def test_a_setting_may_be_given_twice_where_both_agree(path: Path) -> None:
    path.write_text("max_steps: 5\nnum_training_steps: 5")

    assert read_training_file(path) == {"max_steps": 5}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model_confg: {}", "did you mean 'model_config'"),
        ("nonsense_of_any_kind: 1", "unknown setting 'nonsense_of_any_kind' from run.yaml"),
        ("optim_config: {class_name: torch.optim.SGD}", "use torch.optim.AdamW"),
        ("optim_config: {class_name: torch.optim.AdamW, init_args: {beta: 1}}", "did you mean 'betas'"),
        ("finetune_config: {class_name: os.system}", "use node0.finetune.config.FineTuneConfig"),
        ("optim_config: {class_name: torch.optim.AdamW, init_args: {momentum: 1}}", "init_args.momentum"),
        ("finetune_config: {class_name: x, init: {}}", "unknown setting 'finetune_config.init'"),
        ("finetune_config: deacon", "write class_name and init_args below it"),
        ("finetune_config: {class_nme: x}", "write class_name and init_args"),
        ("model_config: 3", "write class_name and init_args"),
        ("model_config: {class_name: x, init_arg: {}}", "did you mean 'init_args'"),
        ("model_config: {class_name: x, init_args: [1]}", "model_config.init_args in run.yaml is [1]"),
        ("lr: 1\noptim_config: {class_name: torch.optim.AdamW, init_args: {lr: 2}}", "sets 'lr' twice"),
        ("max_steps: 5\nnum_training_steps: 6", "sets 'max_steps' twice, to 5 and 6; keep one"),
    ],
)
def test_a_section_that_is_wrong_is_one_line(path: Path, text: str, message: str) -> None:
    path.write_text(text)

    with pytest.raises(ConfigError) as caught:
        read_training_file(path)

    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["lr: [", "- lr", None])
def test_a_file_that_holds_no_settings_is_refused_by_name(path: Path, text: str | None) -> None:
    if text is not None:
        path.write_text(text)

    with pytest.raises(ConfigError, match=r"run\.yaml"):
        read_training_file(path)
