# SPDX-License-Identifier: Apache-2.0
import json
import logging

import pytest
import torch
from safetensors import safe_open
from torch import nn

from node0.errors import BadCheckpoint, NotFound
from node0.finetune.checkpoint.shard import load_shard, save_shard


class Adapted(nn.Module):
    def __init__(self, rank: int = 2) -> None:
        super().__init__()
        self.base = nn.Linear(4, 3)
        self.base.requires_grad_(False)
        self.lora_A = nn.Parameter(torch.randn(rank, 4))
        self.lora_B = nn.Parameter(torch.randn(3, rank))


def test_an_adapter_comes_back_as_it_was_saved(tmp_path, caplog):
    module = Adapted()
    with caplog.at_level(logging.INFO):
        path = save_shard(module, tmp_path, "head-0", 7)

    shard = load_shard(tmp_path, "head-0", 7)

    assert path == tmp_path / "step_7" / "head-0_lora.safetensors"
    assert "Checkpoint saved: step 7 stage head-0" in caplog.messages
    assert set(shard) == {"lora_A", "lora_B"}
    assert torch.equal(shard["lora_A"], module.lora_A)


def test_the_file_is_safetensors_that_names_its_stage_and_step(tmp_path):
    path = save_shard(Adapted(), tmp_path, "tail-1", 3)

    with safe_open(path, framework="pt") as file:
        facts = json.loads(file.metadata()["node0"])
    assert facts == {"stage": "tail-1", "step": 3, "sha256": facts["sha256"]}
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_equal_weights_are_equal_files(tmp_path):
    module = Adapted()

    written = {save_shard(module, tmp_path / str(copy), "head-0", 7).read_bytes() for copy in range(8)}

    assert len(written) == 1


def test_a_module_without_adapter_saves_every_weight_that_trains(tmp_path):
    module = nn.Linear(4, 3)
    path = save_shard(module, tmp_path, "solo", 1)

    assert path.name == "solo_full.safetensors"
    assert set(load_shard(tmp_path, "solo", 1)) == {"weight", "bias"}


def test_a_frozen_module_is_refused(tmp_path):
    module = nn.Linear(2, 2).requires_grad_(False)

    with pytest.raises(BadCheckpoint, match="no weight that trains"):
        save_shard(module, tmp_path, "solo", 1)


def test_missing_and_damaged_shards_are_one_line(tmp_path):
    with pytest.raises(NotFound, match="check the step"):
        load_shard(tmp_path, "solo", 1)
    path = save_shard(Adapted(), tmp_path, "solo", 1)
    path.write_bytes(path.read_bytes()[:40])

    with pytest.raises(BadCheckpoint, match="cannot read"):
        load_shard(tmp_path, "solo", 1)


def test_a_stage_name_cannot_leave_the_directory(tmp_path):
    with pytest.raises(BadCheckpoint, match="file name"):
        save_shard(Adapted(), tmp_path, "../x", 1)
