# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from node0.finetune.manifest import write_manifest


@pytest.fixture
def town(tmp_path: Path) -> Path:
    root = tmp_path / "town"
    (root / "mayor").mkdir(parents=True)
    (root / "mayor" / "town.json").write_text("{}")
    return root


@pytest.fixture
def run(tmp_path: Path) -> Path:
    directory = tmp_path / "run"
    directory.mkdir()
    (directory / "adapter_model.safetensors").write_bytes(b"weights")
    write_manifest(directory, {"corpus_hash": "c" * 64})
    (directory / "entries.jsonl").write_text('{"id": "a"}\n')
    adapter = {"peft_type": "LORA", "base_model_name_or_path": "org/base", "node0_base_digest": "d" * 64}
    (directory / "adapter_config.json").write_text(json.dumps(adapter))
    (directory / "config.resolved.yaml").write_text("role: deacon  # flag\nlora:\n  rank: 4\n")
    return directory
