# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
import yaml

from node0.errors import ConfigError
from node0.finetune.training.plan.training_file import FINETUNE_CLASS, OPTIMIZER_CLASS, read_training_file


def written(directory: Path, tree: object) -> Path:
    path = directory / "run.yaml"
    path.write_text(yaml.safe_dump(tree))
    return path


def test_sections_and_settings_of_their_own_become_one_tree(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        {
            "model_config": {"class_name": "some.Model", "init_args": {"vocab_size": 8}},
            "optim_config": {"class_name": OPTIMIZER_CLASS, "init_args": {"lr": 0.1}},
            "finetune_config": {"class_name": FINETUNE_CLASS, "init_args": {"role": "deacon"}},
            "num_training_steps": 9,
            "num_warmup_steps": 2,
        },
    )

    assert read_training_file(path) == {
        "fresh_model": {"class_name": "some.Model", "init_args": {"vocab_size": 8}},
        "lr": 0.1,
        "role": "deacon",
        "max_steps": 9,
        "num_warmup_steps": 2,
    }


def test_a_setting_may_be_said_twice_only_if_it_says_the_same(tmp_path: Path) -> None:
    section = {"class_name": OPTIMIZER_CLASS, "init_args": {"lr": 0.1}}

    assert read_training_file(written(tmp_path, {"lr": 0.1, "optim_config": section})) == {"lr": 0.1}
    with pytest.raises(ConfigError, match=r"sets 'lr' twice, to 0\.2 and 0\.1"):
        read_training_file(written(tmp_path, {"lr": 0.2, "optim_config": section}))


@pytest.mark.parametrize(
    ("tree", "line"),
    [
        ({"roel": "deacon"}, "unknown setting 'roel' from run.yaml"),
        ({"optim_config": {"class_name": "torch.optim.SGD"}}, "use torch.optim.AdamW"),
        (
            {"optim_config": {"class_name": OPTIMIZER_CLASS, "init_args": {"momentum": 1}}},
            "init_args.momentum",
        ),
        ({"finetune_config": {"class_name": "os.system"}}, f"use {FINETUNE_CLASS}"),
        ({"finetune_config": "deacon"}, "write class_name and init_args below it"),
        (
            {"finetune_config": {"class_name": FINETUNE_CLASS, "init": {}}},
            "unknown setting 'finetune_config.init'",
        ),
        ({"finetune_config": {"class_name": FINETUNE_CLASS, "init_args": [1]}}, "write a mapping"),
    ],
)
def test_what_no_training_file_says_is_refused_with_what_to_write(
    tmp_path: Path, tree: object, line: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        read_training_file(written(tmp_path, tree))

    assert line in str(refused.value)
