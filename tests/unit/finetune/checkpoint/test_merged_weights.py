# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
import torch
from tiny_export import adapter_directory, base_directory

from node0.errors import BadCheckpoint
from node0.finetune.checkpoint.merged_weights import MergedWeights
from node0.finetune.checkpoint.peft import load_peft
from node0.lora.adapter import merge_adapter
from node0.models.factory import load_stages


def test_reading_gives_what_merging_in_place_gives(tmp_path: Path) -> None:
    base = base_directory(tmp_path / "base")
    adapter = adapter_directory(tmp_path / "adapter", base)
    (stage,) = load_stages(base)
    load_peft(adapter, [stage])
    merge_adapter(stage)

    weights = MergedWeights(base, [adapter])

    merged = {name: value for name, value in stage.named_parameters() if "lora_" not in name}
    assert merged.keys() == weights.shapes.keys()
    for name, value in merged.items():
        assert torch.equal(weights.read(name), value), name


def test_a_narrow_base_is_widened_before_the_sum(tmp_path: Path) -> None:
    base = base_directory(tmp_path / "base", dtype=torch.bfloat16)
    adapter = adapter_directory(tmp_path / "adapter", base)
    name = "layers.0.attention.wv.weight"

    merged, plain = MergedWeights(base, [adapter]).read(name), MergedWeights(base).read(name)

    assert merged.dtype == torch.float32
    assert not torch.equal(merged, merged.bfloat16().float())
    assert torch.equal(plain, plain.bfloat16().float())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_the_type_of_the_base_is_told(tmp_path: Path, dtype: torch.dtype) -> None:
    assert MergedWeights(base_directory(tmp_path / "base", dtype=dtype)).stored == dtype


def test_adapters_are_added_up(tmp_path: Path) -> None:
    base = base_directory(tmp_path / "base")
    adapter = adapter_directory(tmp_path / "adapter", base)
    name = "layers.1.feed_forward.w2.weight"

    plain, once, twice = (MergedWeights(base, [adapter] * count).read(name) for count in range(3))

    assert torch.allclose(twice - once, once - plain, atol=1e-6)
    assert not torch.allclose(once, plain)


def test_a_tied_head_is_read_as_the_embedding(tmp_path: Path) -> None:
    weights = MergedWeights(base_directory(tmp_path / "base", "qwen2"))

    assert "output.weight" not in weights.shapes
    assert torch.equal(weights.read("output.weight"), weights.read("tok_embeddings.weight"))


def test_an_adapter_of_another_shape_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    wide = base_directory(tmp_path / "wide", num_hidden_layers=3)
    adapter = adapter_directory(tmp_path / "adapter", wide)
    described = (adapter / "adapter_config.json").read_text().replace("node0_base_digest", "comment")
    (adapter / "adapter_config.json").write_text(described)

    with pytest.raises(BadCheckpoint, match=r"no layer for layers\.2\..*; the adapter is of another base"):
        MergedWeights(base_directory(tmp_path / "base"), [adapter])
