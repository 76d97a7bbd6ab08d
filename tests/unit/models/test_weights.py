# SPDX-License-Identifier: Apache-2.0
import json
import stat
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from node0.errors import BadCheckpoint
from node0.models.weights import TensorSource, read_header, save_tensors


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


@pytest.mark.parametrize(
    "change",
    [
        ("dtype", "etype"),
        ('"F32"', '"F99"'),
        ('"F32"', "[3, 2]"),
        ("[2]", "[3]"),
        ("[2]", '"ab"'),
        ("[0,8]", "[8,0]"),
    ],
)
def test_a_header_with_one_wrong_entry_is_refused_as_a_whole(tmp_path: Path, change: tuple[str, str]) -> None:
    file = tmp_path / "model.safetensors"
    save_tensors(file, {"w": torch.zeros(2)}, {})
    length = int.from_bytes(file.read_bytes()[:8], "little")
    header, data = file.read_bytes()[8 : 8 + length].decode(), file.read_bytes()[8 + length :]
    changed = header.rstrip().replace(*change).encode()
    assert changed.decode() != header.rstrip()
    file.write_bytes(len(changed).to_bytes(8, "little") + changed + data)

    with pytest.raises(BadCheckpoint):
        read_header(file)


def test_an_index_that_names_what_no_file_can_be_called_is_refused(tmp_path: Path) -> None:
    for name in ("a" * 5000, "\0", "..", "."):
        (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"w": name}}))

        with pytest.raises(BadCheckpoint, match=r"has no file|cannot be read"):
            TensorSource(tmp_path)
