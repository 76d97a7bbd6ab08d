# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
import torch
from tiny_export import adapter_directory, base_directory

from node0.errors import ConfigError, ExportFailed
from node0.finetune.checkpoint.gguf.adapter_file import check_adapter, write_adapter
from node0.finetune.checkpoint.gguf.gguf_file import GgufFile
from node0.finetune.checkpoint.peft import PeftAdapter, read_peft
from node0.models.base_model import BaseModelDir

IDS = torch.tensor([[5, 9, 200, 3, 44, 9]])


def _adapter(tmp_path: Path, family: str = "llama") -> tuple[PeftAdapter, BaseModelDir]:
    base = base_directory(tmp_path / "base", family)
    return read_peft(adapter_directory(tmp_path / "adapter", base)), base


def test_an_adapter_says_what_it_is_and_keeps_its_alpha(tmp_path: Path) -> None:
    adapter, base = _adapter(tmp_path)

    write_adapter(tmp_path / "a.gguf", adapter, base, name="tiny")
    file = GgufFile(tmp_path / "a.gguf")

    assert file.metadata["general.type"] == "adapter"
    assert file.metadata["adapter.type"] == "lora"
    assert file.metadata["adapter.lora.alpha"] == 6.0
    assert file.shapes["blk.1.ffn_down.weight.lora_a"] == (4, 96)
    assert file.shapes["blk.1.ffn_down.weight.lora_b"] == (64, 4)
    assert len(file.shapes) == 2 * 7 * 2


def test_rows_of_b_are_interleaved_for_llama_and_a_is_left(tmp_path: Path) -> None:
    adapter, base = _adapter(tmp_path)
    a, b = (adapter.tensors[f"layers.0.attention.wk.lora_{matrix}.weight"] for matrix in "AB")

    write_adapter(tmp_path / "a.gguf", adapter, base, name="tiny")
    file = GgufFile(tmp_path / "a.gguf")

    assert torch.equal(file.values("blk.0.attn_k.weight.lora_a"), a)
    assert torch.equal(file.values("blk.0.attn_k.weight.lora_b")[:4], b[[0, 8, 1, 9]])


@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2", "qwen3"])
def test_a_written_adapter_passes_its_test(tmp_path: Path, family: str) -> None:
    adapter, base = _adapter(tmp_path, family)

    write_adapter(tmp_path / "a.gguf", adapter, base, name="tiny")

    assert check_adapter(tmp_path / "a.gguf", adapter, base, IDS).largest == 0


def test_another_adapter_is_found_out(tmp_path: Path) -> None:
    adapter, base = _adapter(tmp_path)
    key = "layers.0.attention.wq.lora_B.weight"
    other = PeftAdapter(adapter.config, {**adapter.tensors, key: adapter.tensors[key] + 1})

    write_adapter(tmp_path / "a.gguf", other, base, name="tiny")

    with pytest.raises(ExportFailed, match=rf"a.gguf: {key} is not the adapter's; nothing was kept"):
        check_adapter(tmp_path / "a.gguf", adapter, base, IDS)


def test_another_alpha_is_found_out(tmp_path: Path) -> None:
    adapter, base = _adapter(tmp_path)
    config = adapter.config.model_copy(update={"alpha": 7.0})

    write_adapter(tmp_path / "a.gguf", PeftAdapter(config, adapter.tensors), base, name="tiny")

    with pytest.raises(ExportFailed, match=r"it says adapter, lora, alpha 7.0; nothing was kept"):
        check_adapter(tmp_path / "a.gguf", adapter, base, IDS)


def test_a_base_that_llama_cpp_cannot_compute_is_refused(tmp_path: Path) -> None:
    adapter, base = _adapter(tmp_path, "qwen3")
    base.args.out_bias = True

    with pytest.raises(ConfigError, match="out_bias=True"):
        write_adapter(tmp_path / "a.gguf", adapter, base, name="tiny")
