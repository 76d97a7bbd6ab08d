# SPDX-License-Identifier: Apache-2.0
import stat
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from node0.models.weights import save_tensors


def test_a_written_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "model.safetensors"

    save_tensors(path, {"a": torch.arange(6.0).view(2, 3).T}, {"format": "pt"})

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_file(path)["a"].tolist() == [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_tensors(path, {"a": torch.ones(2)}, {})
    before, shared = path.read_bytes(), torch.zeros(2)

    with pytest.raises(RuntimeError, match="share memory"):
        save_tensors(path, {"a": shared, "b": shared}, {})

    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
