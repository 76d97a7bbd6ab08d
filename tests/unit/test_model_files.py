# SPDX-License-Identifier: Apache-2.0
import json
import os
import socket
from pathlib import Path

import pytest

from node0.model_files import WEIGHTS_INDEX, model_files, pickles

RUN = [
    "MANIFEST.json", "README.md", "adapter_config.json", "adapter_model.safetensors", "chat_template.jinja",
    "config.resolved.yaml", "entries.jsonl", "loss.png", "metrics.jsonl", "profile.yaml", "tokenizer.json",
    "tokenizer_config.json",
]  # fmt: skip
HUGGING_FACE = [
    "LICENSE", "LICENSE.txt", "NOTICE", "README.md", "additional_chat_templates/tool_use.jinja",
    "config.json", "generation_config.json", "merges.txt", "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors", "model.Q4_K_M.gguf", "model.safetensors.index.json",
    "special_tokens_map.json", "tokenizer.json", "tokenizer.model", "vocab.json",
]  # fmt: skip
INTRUDERS = [
    # what lets a run go on, or was left of it
    ".lock", ".adapter_model.safetensors.x1.part", ".tokenizer.y2.part/tokenizer.json",
    "training_state/step_6/pipeline/state-000.safetensors", "training_state/step_6/trainer.json",
    "checkpoints/step_6/solo-0_lora.safetensors", "runs/events.out.tfevents.1.host.1.0",
    "gathered/shards/abc.safetensors", "gathered/step_6/head-0.chosen",
    "whole/step_6/merged_lora.safetensors",
    "whole/step_6/adapter/adapter_config.json", "whole/step_6/adapter/adapter_model.safetensors",
    # keys, secrets, logs
    "swarm/run.json", "swarm/identities/trainer.key", "swarm/identities/head-0.key", "swarm/logs/head-0.log",
    "id_rsa", "id_ed25519.pub", "server.pem", "trainer.key", ".env", "secret", "sharing.salt", "run.secret",
    "train.log", "nohup.out", "core.1234", "store.sqlite", "store.sqlite-wal", "history.json",
    # another model, a sub-run, a repository, an editor, pictures, pickles
    "polecat/adapter_model.safetensors", "polecat/adapter_config.json", "original/consolidated.00.pth",
    "original/params.json", "onnx/model.onnx", ".git/config", ".git/objects/pack/p.pack", ".gitattributes",
    "__pycache__/modeling.cpython-313.pyc", "modeling_custom.py", ".cache/huggingface/download/x.metadata",
    ".ipynb_checkpoints/README-checkpoint.md", "README.md.swp", "README.md~", ".README.md.swp", "notes.txt",
    "banner.png", "figures/loss.png", "training_args.bin", "pytorch_model.bin", "optimizer.pt", "rng.pth",
    "scheduler.pkl", "last.ckpt", "trainer_state.json", "optimizer.safetensors", "rng_state.safetensors",
]  # fmt: skip


def fill(directory: Path, names: list[str]) -> Path:
    for name in names:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(name)
    return directory


def names(directory: Path) -> list[str]:
    return [path.as_posix() for path in model_files(directory)]


@pytest.mark.parametrize("model", [RUN, HUGGING_FACE])
def test_a_model_is_exactly_what_is_listed_and_nothing_that_lies_about(
    tmp_path: Path, model: list[str]
) -> None:
    fill(tmp_path, [*model, *INTRUDERS])

    assert names(tmp_path) == sorted(model)


def test_sockets_pipes_links_to_nowhere_and_directories_are_no_files_of_a_model(tmp_path: Path) -> None:
    fill(tmp_path, ["config.json"])
    os.mkfifo(tmp_path / "model.safetensors")
    (tmp_path / "README.md").symlink_to(tmp_path / "gone")
    (tmp_path / "tokenizer.json").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "vocab.json"))

        assert names(tmp_path) == ["config.json"]


def test_files_of_the_hub_cache_are_links_and_belong(tmp_path: Path) -> None:
    fill(tmp_path / "blobs", ["abc"])
    (tmp_path / "snapshot").mkdir()
    (tmp_path / "snapshot" / "model.safetensors").symlink_to("../blobs/abc")

    assert names(tmp_path / "snapshot") == ["model.safetensors"]


def test_shards_belong_by_the_names_in_their_index_but_never_from_elsewhere(tmp_path: Path) -> None:
    shards = ["weights-1.safetensors", "../outside.safetensors", "swarm/x.safetensors", "trainer.key", 7]
    fill(
        tmp_path / "m",
        ["weights-1.safetensors", "swarm/x.safetensors", "trainer.key", "../outside.safetensors"],
    )
    (tmp_path / "m" / WEIGHTS_INDEX).write_text(json.dumps({"weight_map": dict(enumerate(shards))}))

    assert names(tmp_path / "m") == [WEIGHTS_INDEX, "weights-1.safetensors"]


@pytest.mark.parametrize("index", ["{", "[]", '{"weight_map": 1}', "\x00"])
def test_an_index_that_cannot_be_read_names_nothing(tmp_path: Path, index: str) -> None:
    fill(tmp_path, ["weights-1.safetensors", "model.safetensors"])
    (tmp_path / WEIGHTS_INDEX).write_text(index)

    assert names(tmp_path) == ["model.safetensors", WEIGHTS_INDEX]


def test_pickles_are_named_where_a_model_lies(tmp_path: Path) -> None:
    fill(tmp_path, ["b.pt", "a.bin", "config.json", "below/c.pth"])

    assert pickles(tmp_path) == ["a.bin", "b.pt"]
