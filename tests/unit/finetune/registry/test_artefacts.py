# SPDX-License-Identifier: Apache-2.0
import hashlib
from pathlib import Path

import pytest

from node0.errors import BadCheckpoint, ConfigError, NotFound
from node0.finetune.registry.artefacts import check, copy_into, problems, scan


@pytest.fixture
def run(tmp_path: Path) -> Path:
    directory = tmp_path / "run"
    for name in ("adapter_model.safetensors", "README.md", "extra/notes.txt"):
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(name)
    for left in ("training_state/optimizer.safetensors", ".lock", "checkpoints/step-1/adapter.safetensors"):
        (directory / left).parent.mkdir(parents=True, exist_ok=True)
        (directory / left).write_text(left)
    return directory


def test_scan_takes_the_model_and_leaves_what_resumes_training(run: Path) -> None:
    found = scan(run)

    assert [file.path for file in found] == ["README.md", "adapter_model.safetensors", "extra/notes.txt"]
    assert found[0].sha256 == hashlib.sha256(b"README.md").hexdigest()
    assert found[0].size == len("README.md")


def test_scan_refuses_a_missing_or_empty_directory(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no directory"):
        scan(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFound, match="holds no files"):
        scan(tmp_path / "empty")


def test_every_kind_of_damage_is_named(run: Path) -> None:
    recorded = scan(run)
    assert problems(run, recorded) == []

    (run / "README.md").write_text("readme.md")
    (run / "adapter_model.safetensors").write_text("cut")
    (run / "extra/notes.txt").unlink()

    assert problems(run, recorded) == [
        "README.md does not have the recorded sha256",
        "adapter_model.safetensors has 3 bytes, not 25",
        "extra/notes.txt is missing",
    ]
    with pytest.raises(BadCheckpoint, match=r"README\.md does not have the recorded sha256 and 2 more; "):
        check(run, recorded)


def test_a_copy_is_whole_and_made_once(run: Path, tmp_path: Path) -> None:
    recorded, target = scan(run), tmp_path / "models" / "deacon" / "abc"

    copy_into(run, recorded, target)
    (run / "README.md").unlink()
    copy_into(run, recorded, target)

    assert scan(target) == recorded
    assert [path.name for path in target.parent.iterdir()] == ["abc"]


def test_a_copy_of_files_that_changed_is_refused_and_leaves_nothing(run: Path, tmp_path: Path) -> None:
    recorded, target = scan(run), tmp_path / "models" / "abc"
    (run / "README.md").write_text("readme.md")

    with pytest.raises(BadCheckpoint, match=r"README\.md"):
        copy_into(run, recorded, target)
    assert list(target.parent.iterdir()) == []


def test_a_place_that_cannot_be_written_is_one_line(run: Path, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file, not a directory")

    with pytest.raises(ConfigError, match="cannot write"):
        copy_into(run, scan(run), tmp_path / "models" / "abc")
