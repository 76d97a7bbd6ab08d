# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from node0.errors import BadCheckpoint
from node0.server.stage.state_file import StateReader, state_bytes, state_digest, write_state

TENSORS = {"weight:b": torch.arange(6.0).reshape(2, 3), "weight:a": torch.zeros(())}


def test_bytes_are_those_of_the_file(tmp_path: Path) -> None:
    write_state(tmp_path / "state-000.safetensors", TENSORS, version=3)

    data = state_bytes(dict(reversed(TENSORS.items())), version=3)

    assert data == (tmp_path / "state-000.safetensors").read_bytes()
    assert state_digest(data) == state_digest(state_bytes(TENSORS, version=3))
    assert state_digest(data) != state_digest(state_bytes(TENSORS, version=4))


def test_bytes_and_files_read_alike(tmp_path: Path) -> None:
    write_state(tmp_path / "state-000.safetensors", TENSORS, version=3)

    for source in (tmp_path, state_bytes(TENSORS, version=3)):
        with StateReader(source) as reader:
            read = reader.read("weight", "b", torch.zeros(2, 3))
            assert reader.version == 3
            assert reader.has("weight", "a") and not reader.has("step", "a")
        assert torch.equal(read, TENSORS["weight:b"])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 64,
        state_bytes(TENSORS, version=3)[:-1],
        state_bytes(TENSORS, version=3) + b"x",
        save(TENSORS),
        save(TENSORS, metadata={"version": "newest"}),
        save(TENSORS, metadata={"other": "3"}),
    ],
)
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(BadCheckpoint, match=f"cannot read training state in these {len(data)} bytes"):
        StateReader(data)


def test_a_tensor_of_another_shape_or_type_is_refused() -> None:
    reader = StateReader(state_bytes(TENSORS, version=3))

    with pytest.raises(BadCheckpoint, match=r"shape \(2, 3\) of torch.float32.*\(3, 2\)"):
        reader.read("weight", "b", torch.zeros(3, 2))
    with pytest.raises(BadCheckpoint, match=r"of torch.float32.*of torch.bfloat16"):
        reader.read("weight", "b", torch.zeros(2, 3, dtype=torch.bfloat16))
    with pytest.raises(BadCheckpoint, match="lacks weight:c"):
        reader.read("weight", "c", torch.zeros(()))
