# SPDX-License-Identifier: Apache-2.0
"""PEFT directories: round trip and refusals. What peft itself makes of them is an integration test."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from node0.errors import BadCheckpoint, NotFound
from node0.finetune.checkpoint.peft import export_peft, load_peft, read_peft
from node0.lora.adapter import apply_lora, get_lora_parameters, lora_state_dict
from node0.lora.lora_config import LoRAConfig
from node0.models.factory import build_stages, empty_stages
from node0.models.llama.arguments import LlamaArguments
from node0.models.llama.layers import LlamaStage

ARGS = LlamaArguments(hidden_dim=32, n_heads=4, n_kv_heads=2, num_hidden_layers=2, vocab_size=61, ffn_dim=48)
CONFIG = LoRAConfig(rank=4, alpha=6, dropout=0.1, target_modules=["wq", "w2"])
DIGEST = "a" * 64


def stages_with_adapter(num_stages: int = 2) -> list[LlamaStage]:
    stages = build_stages(ARGS, num_stages)
    for stage in stages:
        apply_lora(stage, CONFIG)
        for parameter in get_lora_parameters(stage):
            torch.nn.init.normal_(parameter)
    return stages


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    export_peft(stages_with_adapter(), tmp_path / "adapter", base_name="some/base", base_digest=DIGEST)
    return tmp_path / "adapter"


def edit_config(directory: Path, **changes: Any) -> None:
    path = directory / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_an_adapter_comes_back_as_it_went_in_any_split(tmp_path: Path) -> None:
    stages = stages_with_adapter()
    export_peft(stages, tmp_path, base_name="some/base", base_digest=DIGEST)
    wanted = {key: value for stage in stages for key, value in lora_state_dict(stage).items()}

    (solo,) = build_stages(ARGS)
    config = load_peft(tmp_path, [solo], name="again", base_digest=DIGEST)

    loaded = lora_state_dict(solo, "again")
    assert config == CONFIG
    assert loaded.keys() == wanted.keys()
    assert all(torch.equal(loaded[key], wanted[key]) for key in wanted)


def test_names_are_those_of_peft(adapter: Path) -> None:
    names = set(load_file(adapter / "adapter_model.safetensors"))
    config = json.loads((adapter / "adapter_config.json").read_text())

    assert "base_model.model.model.layers.1.mlp.down_proj.lora_B.weight" in names
    assert config["target_modules"] == ["down_proj", "q_proj"]
    assert config["base_model_name_or_path"] == "some/base"


def test_the_same_adapter_gives_the_same_bytes(tmp_path: Path) -> None:
    stages = stages_with_adapter()
    for name in ("one", "two"):
        export_peft(stages, tmp_path / name, base_name="b", base_digest=None)

    for file in ("adapter_model.safetensors", "adapter_config.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_an_adapter_of_another_base_is_refused_before_anything_is_loaded(adapter: Path) -> None:
    (solo,) = build_stages(ARGS)

    with pytest.raises(BadCheckpoint, match="is an adapter of another base: made for aaaaaaaaaaaa"):
        load_peft(adapter, [solo], base_digest="b" * 64)

    assert get_lora_parameters(solo) == []


def test_a_deeper_adapter_is_refused(adapter: Path) -> None:
    stages = build_stages(ARGS.model_copy(update={"num_hidden_layers": 1}))

    with pytest.raises(BadCheckpoint, match=r"the model has no layer layers\.1\."):
        load_peft(adapter, stages)


def test_a_wider_adapter_is_refused(adapter: Path) -> None:
    stages = build_stages(ARGS.model_copy(update={"ffn_dim": 64}))

    with pytest.raises(BadCheckpoint, match=r"has shape \(4, 48\), the model needs \(4, 64\)"):
        load_peft(adapter, stages)


def test_a_truncated_adapter_is_refused(adapter: Path) -> None:
    path = adapter / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-8])

    with pytest.raises(BadCheckpoint, match="the copy is not whole"):
        load_peft(adapter, build_stages(ARGS))


def test_a_pickled_adapter_is_refused(adapter: Path) -> None:
    (adapter / "adapter_model.safetensors").rename(adapter / "adapter_model.bin")

    with pytest.raises(BadCheckpoint, match="is pickle"):
        load_peft(adapter, build_stages(ARGS))


@pytest.mark.parametrize(
    "changes",
    [
        {"use_dora": True},
        {"peft_type": "IA3"},
        {"bias": "all"},
        {"modules_to_save": ["lm_head"]},
        {"rank_pattern": {"q_proj": 2}},
    ],
)
def test_other_kinds_of_adapter_are_refused(adapter: Path, changes: dict[str, Any]) -> None:
    edit_config(adapter, **changes)

    with pytest.raises(BadCheckpoint, match=f"{next(iter(changes))}=.* is not supported"):
        load_peft(adapter, build_stages(ARGS))


@pytest.mark.parametrize(
    "changes",
    [
        {"r": None},
        {"r": "many"},
        {"r": 0},
        {"r": -4, "use_rslora": True},
        {"lora_alpha": []},
        {"lora_dropout": 2},
    ],
)
def test_scales_that_no_adapter_has_are_refused(adapter: Path, changes: dict[str, Any]) -> None:
    edit_config(adapter, **changes)

    with pytest.raises(BadCheckpoint, match=r"adapter_config\.json: no adapter has .*; export"):
        load_peft(adapter, build_stages(ARGS))


def test_a_tensor_on_the_head_is_refused(adapter: Path) -> None:
    path = adapter / "adapter_model.safetensors"
    save_file(load_file(path) | {"base_model.model.lm_head.lora_A.weight": torch.zeros(4, 32)}, path)

    with pytest.raises(BadCheckpoint, match=r"lm_head\.lora_A\.weight is not LoRA on a linear layer"):
        load_peft(adapter, build_stages(ARGS))


def test_a_directory_without_an_adapter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"adapter_config\.json is absent"):
        load_peft(tmp_path, build_stages(ARGS))


def test_an_adapter_that_is_not_there_is_not_exported(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no adapter 'default' to export"):
        export_peft(build_stages(ARGS), tmp_path / "out", base_name="b", base_digest=None)

    assert not (tmp_path / "out").exists()


def test_rank_stabilized_adapters_keep_their_scale(adapter: Path) -> None:
    edit_config(adapter, use_rslora=True)

    config = load_peft(adapter, build_stages(ARGS))

    assert config.alpha / config.rank == 6 / 4**0.5


def test_a_directory_is_read_without_a_model(adapter: Path) -> None:
    config, tensors = read_peft(adapter)

    assert config == load_peft(adapter, empty_stages(ARGS))
    assert {name.rpartition(".lora_")[2] for name in tensors} == {"A.weight", "B.weight"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"r": 1_000_000_000}, "no adapter has"),
        ({"r": 1e400}, "no adapter has"),
        ({"r": -4}, "no adapter has"),
        ({"r": 65_536}, "with r=65536 does not fit"),
        ({"lora_alpha": 1e308}, "no adapter has"),
        ({"lora_alpha": float("nan")}, "no adapter has"),
        ({"lora_alpha": -1}, "no adapter has"),
        ({"lora_dropout": 2}, "no adapter has"),
    ],
)
def test_ranks_and_scales_that_no_adapter_has_are_refused(
    adapter: Path, changes: dict[str, Any], words: str
) -> None:
    edit_config(adapter, **changes)

    with pytest.raises(BadCheckpoint, match=words):
        read_peft(adapter)


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2, torch.bfloat16, torch.float16])
def test_an_adapter_of_a_narrow_type_is_read(adapter: Path, dtype: torch.dtype) -> None:
    tensors = {
        name: tensor.to(dtype) for name, tensor in load_file(adapter / "adapter_model.safetensors").items()
    }
    save_file(tensors, adapter / "adapter_model.safetensors")

    assert {tensor.dtype for tensor in read_peft(adapter).tensors.values()} == {dtype}


def test_an_adapter_of_no_numbers_is_refused(adapter: Path) -> None:
    tensors = load_file(adapter / "adapter_model.safetensors")
    next(iter(tensors.values()))[0, 0] = float("nan")
    save_file(tensors, adapter / "adapter_model.safetensors")

    with pytest.raises(BadCheckpoint, match="holds NaN or infinity"):
        read_peft(adapter)


def test_a_description_nested_deep_is_refused(adapter: Path) -> None:
    (adapter / "adapter_config.json").write_text('{"a": ' * 200_000 + "1" + "}" * 200_000)

    with pytest.raises(BadCheckpoint, match="nests more than 100 deep"):
        read_peft(adapter)
