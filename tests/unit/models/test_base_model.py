# SPDX-License-Identifier: Apache-2.0
"""Bases on disk: read, refused, named by digest."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from node0.errors import BadCheckpoint, ConfigError, HubUnavailable, Node0Error, NotFound
from node0.models.base_model import base_digest, export_base, resolve_base
from node0.models.factory import build_stages, load_stages
from node0.models.llama.arguments import LlamaArguments

ARGS = LlamaArguments(hidden_dim=32, n_heads=4, n_kv_heads=2, num_hidden_layers=2, vocab_size=61, ffn_dim=48)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    export_base(build_stages(ARGS), tmp_path / "base")
    return tmp_path / "base"


def edit_config(directory: Path, **changes: Any) -> None:
    path = directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def refusal(directory: Path) -> str:
    with pytest.raises(Node0Error) as caught:
        resolve_base(directory)
    message = str(caught.value)
    assert isinstance(caught.value, BadCheckpoint)
    assert "\n" not in message
    return message


def test_a_missing_tensor_is_named(base: Path) -> None:
    weights = load_file(base / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, base / "model.safetensors")

    assert "no tensor model.layers.1.mlp.up_proj.weight" in refusal(base)


def test_a_truncated_file_is_refused(base: Path) -> None:
    path = base / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])

    assert "the copy is not whole" in refusal(base)


@pytest.mark.parametrize(
    "content", [b"", b"\x10", b"PK\x03\x04 not weights at all, but long enough", b"\xff" * 64]
)
def test_a_file_that_is_no_safetensors_is_refused(base: Path, content: bytes) -> None:
    (base / "model.safetensors").write_bytes(content)

    assert "is not a safetensors file" in refusal(base)


def test_pickle_weights_are_refused(base: Path) -> None:
    (base / "model.safetensors").rename(base / "pytorch_model.bin")

    assert "pytorch_model.bin is pickle" in refusal(base)


def test_a_directory_without_weights_is_refused(base: Path) -> None:
    (base / "model.safetensors").unlink()

    assert "no model.safetensors" in refusal(base)


def test_a_directory_without_config_is_refused(base: Path) -> None:
    (base / "config.json").unlink()

    assert "has no config.json" in refusal(base)


def test_a_tensor_of_another_shape_is_refused(base: Path) -> None:
    edit_config(base, intermediate_size=49)

    assert "has shape (48, 32), config.json says (49, 32)" in refusal(base)


def test_a_tensor_that_the_architecture_does_not_use_is_refused(base: Path) -> None:
    weights = load_file(base / "model.safetensors")
    weights["model.layers.0.self_attn.q_proj.bias"] = torch.ones(32)
    save_file(weights, base / "model.safetensors")

    assert "model.layers.0.self_attn.q_proj.bias" in refusal(base)


def test_integers_in_place_of_floats_are_refused(base: Path) -> None:
    weights = load_file(base / "model.safetensors")
    weights["lm_head.weight"] = weights["lm_head.weight"].to(torch.uint8)
    save_file(weights, base / "model.safetensors")

    assert "quantized bases are not supported" in refusal(base)


def test_a_path_that_is_not_there_is_not_a_hub_id(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no base directory"):
        resolve_base(tmp_path / "nothing")


def test_a_hub_id_without_network_is_one_line() -> None:
    with pytest.raises(HubUnavailable, match="base someone/some-model cannot be fetched") as caught:
        resolve_base("someone/some-model")

    assert "\n" not in str(caught.value)


def test_a_hub_id_in_offline_mode_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    with pytest.raises(HubUnavailable, match="base someone/some-model at abc cannot be fetched"):
        resolve_base("someone/some-model", "abc")


def test_a_hub_id_is_found_in_the_cache_at_its_commit(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "hub" / "models--someone--some-model"
    (repository / "snapshots").mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    base.rename(repository / "snapshots" / commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))

    found, pinned = resolve_base("someone/some-model"), resolve_base("someone/some-model", commit)

    assert found == pinned
    assert (found.name, found.revision) == ("someone/some-model", commit)
    assert found.digest == base_digest(found.path)


@pytest.mark.parametrize(
    "index", ['{"weight_map": {"a": 1}}', "[]", "{", '{"weight_map": {"a": "absent.safetensors"}}']
)
def test_a_broken_index_is_refused(base: Path, index: str) -> None:
    (base / "model.safetensors.index.json").write_text(index)

    assert "download the base again" in refusal(base)


def test_a_shape_that_the_family_cannot_hold_is_not_exported(tmp_path: Path) -> None:
    stages = build_stages(ARGS.model_copy(update={"qk_norm": True}))

    with pytest.raises(ConfigError, match="qk_norm=True cannot be exported as llama"):
        export_base(stages, tmp_path / "out")

    assert not (tmp_path / "out").exists()


def test_the_tokenizer_goes_along_with_its_special_ids(tmp_path: Path) -> None:
    source = tmp_path / "tokenizer"
    source.mkdir()
    (source / "tokenizer.json").write_text(json.dumps({"added_tokens": [{"content": "<eos>", "id": 7}]}))
    (source / "tokenizer_config.json").write_text(json.dumps({"eos_token": {"content": "<eos>"}}))

    export_base(build_stages(ARGS), tmp_path / "out", source)

    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert (config["eos_token_id"], config["bos_token_id"]) == (7, None)
    assert resolve_base(tmp_path / "out").tokenizer_path == tmp_path / "out"


def test_a_bfloat16_base_keeps_its_type(tmp_path: Path) -> None:
    export_base(build_stages(ARGS, dtype=torch.bfloat16), tmp_path)

    (stage,) = load_stages(resolve_base(tmp_path), dtype=torch.bfloat16)

    assert json.loads((tmp_path / "config.json").read_text())["torch_dtype"] == "bfloat16"
    assert stage.dtype == torch.bfloat16
