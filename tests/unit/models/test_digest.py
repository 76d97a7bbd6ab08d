# SPDX-License-Identifier: Apache-2.0
"""The identity of a base: one for every layout of its files, another for every other base."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from node0.models.base_model import export_base, resolve_base
from node0.models.digest import base_digest, fresh_digest, tensor_shapes
from node0.models.factory import build_stages
from node0.models.llama.arguments import LlamaArguments

ARGS = LlamaArguments(hidden_dim=32, n_heads=4, n_kv_heads=2, num_hidden_layers=2, vocab_size=61, ffn_dim=48)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    export_base(build_stages(ARGS), tmp_path / "base")
    return tmp_path / "base"


def test_the_digest_does_not_depend_on_spelling_or_on_the_cut_into_files(base: Path, tmp_path: Path) -> None:
    digest = base_digest(base)
    config = json.loads((base / "config.json").read_text())
    config["rope_parameters"] = {"rope_theta": config.pop("rope_theta"), "rope_type": "default"}
    config["dtype"] = config.pop("torch_dtype")
    sharded = tmp_path / "sharded"
    sharded.mkdir()
    (sharded / "config.json").write_text(json.dumps(config))
    tensors = load_file(base / "model.safetensors")
    names = sorted(tensors)
    index = {}
    for number, part in enumerate((names[:5], names[5:]), start=1):
        file = f"model-0000{number}-of-00002.safetensors"
        save_file({name: tensors[name] for name in part}, sharded / file)
        index |= dict.fromkeys(part, file)
    (sharded / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))

    assert len(digest) == 64
    assert base_digest(sharded) == digest
    assert resolve_base(sharded).digest == digest


def test_the_digest_sees_one_changed_weight_and_a_changed_shape(base: Path) -> None:
    digest = base_digest(base)
    weights = load_file(base / "model.safetensors")
    weights["model.norm.weight"][3] += 1e-3
    save_file(weights, base / "model.safetensors")
    changed = base_digest(base)
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"rope_theta": 20000.0}))

    assert len({digest, changed, base_digest(base)}) == 3


def test_the_digest_samples_large_tensors(tmp_path: Path) -> None:
    args = ARGS.model_copy(update={"vocab_size": 20_000})
    (stage,) = build_stages(args)
    digests = set()
    for row in (None, 0, 19_999):
        if row is not None:
            with torch.no_grad():
                stage.output.weight[row] += 1.0
        export_base([stage], tmp_path)
        digests.add(base_digest(tmp_path))

    assert len(digests) == 3


def test_fresh_weights_are_named_by_seed_and_shape() -> None:
    wider = ARGS.model_copy(update={"ffn_dim": 64})

    assert len({fresh_digest(ARGS, 0), fresh_digest(ARGS, 1), fresh_digest(wider, 0)}) == 3


def test_what_changes_no_logit_is_not_part_of_the_identity() -> None:
    longer = ARGS.model_copy(update={"max_seq_len": 77, "lora_rank": 4, "stage": 1})

    assert fresh_digest(longer, 3) == fresh_digest(ARGS, 3)


@pytest.mark.parametrize("tied", [False, True])
def test_the_shapes_are_those_of_the_whole_model(tied: bool) -> None:
    args = ARGS.model_copy(update={"tie_embeddings": tied, "first_layer": 1, "lora_rank": 2})

    shapes = tensor_shapes(args)

    assert shapes["layers.0.attention.wk.weight"] == (16, 32)
    assert ("output.weight" in shapes) == (not tied)
    assert not any("lora_" in name for name in shapes)
