# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

from tiny_run import configure

from node0.finetune.training.plan.base_label import base_label


def test_a_directory_is_called_by_its_last_part_and_a_hub_id_by_itself(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()

    assert base_label(configure(tmp_path)) == "base"
    assert base_label(configure(tmp_path, base_model="org/name")) == "org/name"


def test_a_model_from_nothing_has_random_weights(tmp_path: Path) -> None:
    assert base_label(configure(tmp_path, base_model=None, lora=None, mode="pretrain")) == "random weights"
