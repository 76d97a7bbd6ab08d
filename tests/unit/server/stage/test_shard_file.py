# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from node0.errors import BadCheckpoint
from node0.server.stage.shard_file import (
    ShardFacts,
    from_state,
    read_shard,
    shard_files,
    shard_path,
    write_shard,
)

NAME = "layers.0.attention.wq.lora_A.default"
STATE = {f"weight:{NAME}": torch.randn(2, 3), f"exp_avg:{NAME}": torch.randn(2, 3)}
FACTS = ShardFacts("body-1", 7, version=6, num_stages=3, base_digest="d", lora={"rank": 2}, progress="{}")


def test_weights_state_and_facts_come_back(tmp_path: Path) -> None:
    path = write_shard(tmp_path, FACTS, from_state(STATE))

    shard = read_shard(path)

    assert path == tmp_path / "step_7" / "body-1_lora.safetensors"
    assert shard.facts == FACTS
    assert set(shard.weights) == {NAME}
    assert set(shard.state) == set(STATE)
    assert all(torch.equal(shard.state[name], tensor) for name, tensor in STATE.items())


def test_a_bit_that_flips_anywhere_in_a_shard_is_noticed(tmp_path: Path) -> None:
    path = write_shard(tmp_path, FACTS, from_state(STATE))
    whole = path.read_bytes()

    for place in range(0, 8 * len(whole), 3):
        damaged = bytearray(whole)
        damaged[place // 8] ^= 1 << place % 8
        path.write_bytes(damaged)
        with pytest.raises(BadCheckpoint, match="cannot read checkpoint"):
            read_shard(path)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64])
def test_tensors_of_every_type_and_shape_are_sealed(tmp_path: Path, dtype: torch.dtype) -> None:
    tensors = {
        "a": torch.tensor(3).to(dtype), "b": torch.zeros(0, 4, dtype=dtype),
        "c": torch.arange(6).to(dtype).reshape(2, 3).T,
    }  # fmt: skip

    found = read_shard(write_shard(tmp_path, FACTS, tensors)).tensors

    assert all(torch.equal(found[name], tensor) for name, tensor in tensors.items())


def test_a_shard_whose_digest_was_taken_away_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"a": torch.zeros(1)}, path, metadata={"node0": '{"stage": "head-0", "step": 1}'})

    with pytest.raises(BadCheckpoint, match="cannot read checkpoint"):
        read_shard(path)


def test_equal_shards_are_equal_files(tmp_path: Path) -> None:
    written = {write_shard(tmp_path / str(copy), FACTS, from_state(STATE)).read_bytes() for copy in range(8)}

    assert len(written) == 1


def test_a_stage_name_cannot_leave_the_directory(tmp_path: Path) -> None:
    for name in ("../x", "a/b", "", "body-1\n", "."):
        with pytest.raises(BadCheckpoint, match="not a file name"):
            shard_path(tmp_path, name, 1)


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"node0": "{"},
        {"node0": "[]"},
        {"node0": '{"stage": 1, "step": 1}'},
        {"node0": '{"x": 1}'},
        {"node0": "null"},
        {"node0": "5"},
        {"node0": '"sha256"'},
        {"node0": '["sha256"]'},
    ],
)
def test_a_file_that_does_not_say_what_it_is_is_refused(tmp_path: Path, metadata: dict[str, str]) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"a": torch.zeros(1)}, path, metadata=metadata)

    with pytest.raises(BadCheckpoint, match="cannot read"):
        read_shard(path)


def test_shards_are_found_by_step(tmp_path: Path) -> None:
    for step in (12, 3):
        write_shard(tmp_path, ShardFacts("head-0", step), {"lora_A": torch.zeros(1)})
    (tmp_path / "step_x").mkdir()
    (tmp_path / "step_3" / ".head-0_lora.safetensors.new").touch()

    found = shard_files(tmp_path)

    assert list(found) == [3, 12]
    assert [path.name for path in found[3]] == ["head-0_lora.safetensors"]
    assert shard_files(tmp_path / "absent") == {}
