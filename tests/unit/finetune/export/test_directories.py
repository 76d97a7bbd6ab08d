# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from tiny_export import adapter_directory, base_directory

from node0.errors import ExportFailed
from node0.finetune.chat.render import Renderer
from node0.finetune.checkpoint.exporter import sample_prompts
from node0.finetune.checkpoint.merged_weights import MergedWeights
from node0.finetune.data.tokenizer import load_tokenizer
from node0.finetune.export.directories import (
    check_adapter_directory,
    check_merged,
    write_adapter_directory,
    write_merged,
)


@pytest.fixture
def weights(tmp_path: Path) -> MergedWeights:
    base = base_directory(tmp_path / "base")
    return MergedWeights(base, [adapter_directory(tmp_path / "adapter", base)])


def _prompts(weights: MergedWeights) -> list:  # type: ignore[type-arg]  # of RenderedPrompt
    return sample_prompts(Renderer(load_tokenizer(weights.base.path)))


def _damage(path: Path, name: str) -> None:
    tensors = load_file(path)
    tensors[name] = tensors[name] + 0.5
    save_file(tensors, path, metadata={"format": "pt"})


def _merge(weights: MergedWeights, place: Path) -> None:
    write_merged(weights, place, numbers="f32", tokenizer=weights.base.tokenizer_path)


def test_a_merged_directory_passes_its_test(tmp_path: Path, weights: MergedWeights) -> None:
    _merge(weights, tmp_path / "out")

    found = check_merged(tmp_path / "out", weights, numbers="f32", prompts=_prompts(weights), profile=None)

    assert found.largest == 0


def test_a_merged_weight_that_differs_is_found_out(tmp_path: Path, weights: MergedWeights) -> None:
    _merge(weights, tmp_path / "out")
    _damage(tmp_path / "out" / "model.safetensors", "model.layers.1.mlp.up_proj.weight")

    with pytest.raises(ExportFailed, match=r"out: logits differ from the source's"):
        check_merged(tmp_path / "out", weights, numbers="bf16", prompts=_prompts(weights), profile=None)


def test_another_chat_template_is_found_out(tmp_path: Path, weights: MergedWeights) -> None:
    _merge(weights, tmp_path / "out")
    template = tmp_path / "out" / "chat_template.jinja"
    template.write_text(template.read_text().replace("<|im_end|>", "<|end|>"))

    with pytest.raises(ExportFailed, match=r"out: its tokenizer makes another prompt"):
        check_merged(tmp_path / "out", weights, numbers="f32", prompts=_prompts(weights), profile=None)


def test_an_adapter_directory_takes_along_what_a_run_wrote(tmp_path: Path, weights: MergedWeights) -> None:
    source = tmp_path / "adapter"
    (source / "profile.yaml").write_text("role: deacon\n")
    (source / "metrics.jsonl").write_text("{}\n")

    write_adapter_directory(
        weights.adapters[0],
        tmp_path / "out",
        base=weights.base,
        source=source,
        tokenizer=weights.base.tokenizer_path,
    )

    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors", "tokenizer.json", "profile.yaml"} <= names
    assert "metrics.jsonl" not in names


def test_an_adapter_that_differs_is_found_out(tmp_path: Path, weights: MergedWeights) -> None:
    write_adapter_directory(
        weights.adapters[0],
        tmp_path / "out",
        base=weights.base,
        source=tmp_path / "adapter",
        tokenizer=weights.base.tokenizer_path,
    )
    _damage(
        tmp_path / "out" / "adapter_model.safetensors",
        "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight",
    )

    with pytest.raises(ExportFailed, match=r"out: layers.0.attention.wq.lora_A.weight is not the adapter's"):
        check_adapter_directory(tmp_path / "out", weights, prompts=_prompts(weights), profile=None)
