# SPDX-License-Identifier: Apache-2.0
"""Write a model of transformers, all of whose weights were trained, as it was read."""

import json
import tempfile
from pathlib import Path

from node0.files import copy_file, write_atomically
from node0.model_files import MODEL_CONFIG
from node0.models.hf.hf_stage import HFStage, silently

_ONE_FILE = "1000TB"
"A shard of this size holds every model."


def export_hf(stage: HFStage, base: Path, directory: Path) -> None:
    """Write the weights into `directory`, beside the config.json of `base`, whose dropout stays as it was."""
    config = json.loads((base / MODEL_CONFIG).read_text(encoding="utf-8"))
    config.pop("torch_dtype", None)
    config["dtype"] = str(stage.dtype).removeprefix("torch.")
    with tempfile.TemporaryDirectory(dir=directory, prefix=".model.", suffix=".part") as beside:
        with silently():
            stage.model.save_pretrained(beside, max_shard_size=_ONE_FILE)
        for path in sorted(Path(beside).iterdir()):
            if path.name != MODEL_CONFIG:
                copy_file(path, directory / path.name)
    write_atomically(directory / MODEL_CONFIG, json.dumps(config, indent=2) + "\n")
