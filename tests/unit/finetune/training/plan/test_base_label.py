# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from tiny_run import configure

from node0.finetune.training.plan.base_label import base_label


def test_a_directory_is_called_by_its_last_part(tmp_path: Path) -> None:
    (tmp_path / "models" / "llama-8b").mkdir(parents=True)

    assert base_label(configure(tmp_path, base_model=str(tmp_path / "models" / "llama-8b"))) == "llama-8b"
    assert base_label(configure(tmp_path, base_model=f"{tmp_path}/models/llama-8b/")) == "llama-8b"


def test_a_hub_id_keeps_its_owner_unless_a_directory_has_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = configure(tmp_path, base_model="owner/llama-8b")

    assert base_label(config) == "owner/llama-8b"
    (tmp_path / "owner" / "llama-8b").mkdir(parents=True)
    assert base_label(config) == "llama-8b"


def test_a_model_that_starts_from_nothing_says_so(tmp_path: Path) -> None:
    assert base_label(configure(tmp_path, base_model=None, lora=None)) == "random weights"
