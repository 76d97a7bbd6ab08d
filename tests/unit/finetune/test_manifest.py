# SPDX-License-Identifier: Apache-2.0
import hashlib
from pathlib import Path

import pytest

from node0.errors import BadCheckpoint
from node0.finetune.manifest import (
    artefacts_of,
    check,
    listed,
    problems,
    read_manifest,
    verify_manifest,
    write_manifest,
)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    for name in ("adapter_model.safetensors", "README.md", "tokenizer.json", "trainer.key"):
        (tmp_path / name).write_text(name)
    return tmp_path


def test_a_file_is_recorded_with_its_size_and_sha256(model: Path) -> None:
    found = artefacts_of(model)

    assert [file.path for file in found] == ["README.md", "adapter_model.safetensors", "tokenizer.json"]
    assert found[0].sha256 == hashlib.sha256(b"README.md").hexdigest()
    assert found[0].size == len("README.md")


def test_the_manifest_names_every_file_of_the_model_but_itself(model: Path) -> None:
    write_manifest(model, {"step": 7})
    write_manifest(model, {"step": 8})

    manifest = verify_manifest(model)

    assert (manifest["format"], manifest["step"]) == (1, 8)
    assert [file.path for file in listed(manifest)] == [
        "README.md", "adapter_model.safetensors", "tokenizer.json",
    ]  # fmt: skip
    assert "signature" not in manifest


def test_every_kind_of_damage_is_named(model: Path) -> None:
    recorded = artefacts_of(model)
    assert problems(model, recorded) == []

    (model / "README.md").write_text("readme.md")
    (model / "adapter_model.safetensors").write_text("cut")
    (model / "tokenizer.json").unlink()

    assert problems(model, recorded) == [
        "README.md does not have the recorded sha256",
        "adapter_model.safetensors has 3 bytes, not 25",
        "tokenizer.json is missing",
    ]
    with pytest.raises(BadCheckpoint, match=r"README\.md does not have the recorded sha256 and 2 more; "):
        check(model, recorded)


@pytest.mark.parametrize(
    "content",
    ["{", "[]", "{}", "[" * 100_000, "\xff", '{"files": {"a": {"sha256": "x", "size": 1}}}'],
)
def test_a_manifest_that_cannot_be_read_is_refused_in_one_line(model: Path, content: str) -> None:
    (model / "MANIFEST.json").write_text(content)

    with pytest.raises(BadCheckpoint, match=r"MANIFEST\.json cannot be read"):
        read_manifest(model)


def test_a_bit_that_flips_anywhere_in_a_manifest_is_noticed(model: Path) -> None:
    write_manifest(model, {"step": 7, "base_digest": "d" * 64, "lr": 0.001, "note": "ünïts"})
    path, written = model / "MANIFEST.json", read_manifest(model)
    whole, refused = path.read_bytes(), 0

    for place in range(8 * len(whole)):
        damaged = bytearray(whole)
        damaged[place // 8] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            assert read_manifest(model) == written
        except BadCheckpoint:
            refused += 1

    # Four digits of \u00fc and \u00ef may be large or small letters.
    assert refused == 8 * len(whole) - 4
