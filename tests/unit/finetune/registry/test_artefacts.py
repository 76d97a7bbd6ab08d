# SPDX-License-Identifier: Apache-2.0
import stat
from pathlib import Path

import pytest

from node0.errors import BadCheckpoint, ConfigError, NotFound
from node0.finetune.registry.artefacts import copy_into, scan


@pytest.fixture
def run(tmp_path: Path) -> Path:
    directory = tmp_path / "run"
    for name in ("adapter_model.safetensors", "README.md", "additional_chat_templates/tools.jinja"):
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(name)
    for left in ("training_state/optimizer.safetensors", ".lock", "checkpoints/step-1/adapter.safetensors"):
        (directory / left).parent.mkdir(parents=True, exist_ok=True)
        (directory / left).write_text(left)
    return directory


def test_scan_takes_the_model_and_leaves_what_resumes_training(run: Path) -> None:
    assert [file.path for file in scan(run)] == [
        "README.md",
        "adapter_model.safetensors",
        "additional_chat_templates/tools.jinja",
    ]


def test_scan_refuses_a_missing_or_empty_directory(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no directory"):
        scan(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("nothing of a model")
    with pytest.raises(NotFound, match="holds no files"):
        scan(tmp_path / "empty")


def test_a_copy_is_whole_and_made_once(run: Path, tmp_path: Path) -> None:
    recorded, target = scan(run), tmp_path / "models" / "deacon" / "abc"

    copy_into(run, recorded, target)
    (run / "README.md").unlink()
    copy_into(run, recorded, target)

    assert scan(target) == recorded
    assert [path.name for path in target.parent.iterdir()] == ["abc"]


def test_a_damaged_copy_is_made_again(run: Path, tmp_path: Path) -> None:
    recorded, target = scan(run), tmp_path / "models" / "deacon" / "abc"
    copy_into(run, recorded, target)
    (target / "README.md").write_text("another")

    copy_into(run, recorded, target)

    assert scan(target) == recorded
    assert [path.name for path in target.parent.iterdir()] == ["abc"]


def test_a_copy_is_for_its_owner_alone(run: Path, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir(mode=0o755)
    (run / "README.md").chmod(0o644)

    copy_into(run, scan(run), tmp_path / "models" / "abc")

    found = [tmp_path / "models", *(tmp_path / "models").rglob("*")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in found if path.is_file()} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in found if path.is_dir()} == {0o700}


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
