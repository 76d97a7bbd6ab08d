# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
import torch
from any_base import any_source, make_any_base, write_any_adapter
from safetensors.torch import load_file, save_file

from node0.errors import ConfigError, ExportFailed
from node0.finetune.export.export import Exported, Format, Options, export
from node0.finetune.export.hf_directories import check_hf_adapter, check_hf_merged, stored_type
from node0.finetune.export.parts import ModelParts
from node0.models.hf.hf_base import hf_base


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> ModelParts:
    place = tmp_path_factory.mktemp("model")
    base = make_any_base(place, "phi3")
    return ModelParts(any_source(base, write_any_adapter(base, place / "adapter")))


def exported(parts: ModelParts, place: Path, format: Format, numbers: str | None = None) -> Exported:
    return export(parts.source, place, format=format, options=Options(quantization=numbers))


def damage(path: Path) -> None:
    tensors = load_file(path)
    name = max(name for name in tensors if "mlp.down_proj" in name)
    save_file({**tensors, name: tensors[name] + 0.5}, path, metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("numbers", "dtype"), [(None, torch.float32), ("bf16", torch.bfloat16), ("f16", torch.float16)]
)
def test_a_merged_directory_is_a_base_of_that_type_with_its_tokenizer(
    parts: ModelParts, tmp_path: Path, numbers: str | None, dtype: torch.dtype
) -> None:
    done = exported(parts, tmp_path / "out", "merged", numbers)

    written = hf_base(tmp_path / "out")
    assert stored_type(written) == dtype
    assert written.tokenizer_path == tmp_path / "out"
    assert (done.error.largest == 0) == (numbers is None)
    assert f"--dtype {str(dtype).removeprefix('torch.')}" in str(done.serve)


def test_an_adapter_directory_says_how_vllm_serves_it(parts: ModelParts, tmp_path: Path) -> None:
    done = exported(parts, tmp_path / "out", "peft")

    assert done.error.largest == 0
    assert f"vllm serve {parts.source.base.path}" in str(done.serve)
    assert f"--lora-modules out={tmp_path / 'out'}" in str(done.serve)
    assert (tmp_path / "out" / "tokenizer.json").is_file()


def test_a_weight_that_differs_is_found_out(parts: ModelParts, tmp_path: Path) -> None:
    exported(parts, tmp_path / "merged", "merged")
    exported(parts, tmp_path / "peft", "peft")
    damage(tmp_path / "merged" / "model.safetensors")
    damage(tmp_path / "peft" / "adapter_model.safetensors")

    with pytest.raises(ExportFailed, match="merged: logits differ from the source's"):
        check_hf_merged(parts, tmp_path / "merged", numbers="bf16")
    with pytest.raises(ExportFailed, match=r"peft: .*down_proj.* is not the adapter's"):
        check_hf_adapter(parts, tmp_path / "peft")


@pytest.mark.parametrize("format", ["gguf", "gguf-adapter", "ollama"])
def test_what_llama_cpp_reads_is_left_to_its_own_converter(
    parts: ModelParts, tmp_path: Path, format: Format
) -> None:
    with pytest.raises(ConfigError, match=r"export it as merged, and try llama\.cpp's convert_hf_to_gguf"):
        exported(parts, tmp_path / "out", format)

    assert not (tmp_path / "out").exists()
