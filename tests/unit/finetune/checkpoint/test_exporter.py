# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest
from tiny_export import adapter_directory, base_directory, byte_tokenizer

from node0.errors import BadCheckpoint, ConfigError, ExportFailed, NotFound
from node0.finetune.chat.profile import load_profile
from node0.finetune.chat.render import Renderer
from node0.finetune.checkpoint import exporter
from node0.finetune.checkpoint.exporter import export_to_gguf, sample_prompts, write_gguf
from node0.finetune.checkpoint.gguf.gguf_file import GgufFile
from node0.finetune.checkpoint.merged_weights import MergedWeights


def test_a_directory_becomes_a_file_with_its_tokenizer(tmp_path: Path) -> None:
    base = base_directory(tmp_path / "base", tokenizer=byte_tokenizer("qwen2"))

    path = export_to_gguf(base.path, tmp_path / "out" / "tiny.gguf", "f32")
    file = GgufFile(path)

    assert path == tmp_path / "out" / "tiny.gguf"
    assert file.metadata["general.name"] == "tiny"
    assert file.metadata["tokenizer.ggml.pre"] == "qwen2"
    assert file.metadata["tokenizer.chat_template"].startswith("{%")


def test_the_file_of_weights_names_its_directory(tmp_path: Path) -> None:
    base = base_directory(tmp_path / "base")

    by_file = export_to_gguf(base.path / "model.safetensors", tmp_path / "tiny.gguf", "f16")

    assert by_file.read_bytes()[:4] == b"GGUF"


def test_an_adapter_is_merged_into_the_base_that_it_names(tmp_path: Path) -> None:
    base = base_directory(tmp_path / "base")
    adapter = adapter_directory(tmp_path / "adapter", base)
    name = "layers.0.feed_forward.w1.weight"

    file = GgufFile(export_to_gguf(adapter, tmp_path / "a.gguf", "f32"))

    merged = MergedWeights(base, [adapter]).read(name)
    assert (file.weight(name, merged.shape, args=base.args) == merged).all()


def test_an_adapter_that_names_no_base_is_refused(tmp_path: Path) -> None:
    adapter = adapter_directory(tmp_path / "adapter", base_directory(tmp_path / "base"))
    described = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps(described | {"base_model_name_or_path": None}))

    with pytest.raises(BadCheckpoint, match="names no base; add base_model_name_or_path"):
        export_to_gguf(adapter, tmp_path / "a.gguf", "f32")


def test_a_model_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    base = base_directory(tmp_path / "base")
    (base.path / "tokenizer.json").unlink()

    with pytest.raises(NotFound, match=r"has no tokenizer; put its tokenizer.json beside the weights"):
        export_to_gguf(base.path, tmp_path / "a.gguf", "f32")


def test_an_unknown_format_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    base = base_directory(tmp_path / "base")

    with pytest.raises(ConfigError, match=r"no format 'q7'; take one of f32, f16, bf16, q8_0, q2_k,"):
        export_to_gguf(base.path, tmp_path / "a.gguf", "q7")


def test_what_is_there_already_stays(tmp_path: Path) -> None:
    base = base_directory(tmp_path / "base")
    (tmp_path / "a.gguf").write_text("mine")

    with pytest.raises(ConfigError, match=r"a.gguf is there already; choose another place, or remove it"):
        export_to_gguf(base.path, tmp_path / "a.gguf", "f32")
    assert (tmp_path / "a.gguf").read_text() == "mine"


def test_an_export_that_fails_its_test_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = base_directory(tmp_path / "base")
    monkeypatch.setattr(
        "node0.finetune.checkpoint.gguf.model_file.to_gguf_rows", lambda name, value, args: value
    )

    with pytest.raises(ExportFailed, match="logits differ"):
        export_to_gguf(base.path, tmp_path / "out" / "a.gguf", "f32")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_k_quant_is_made_of_the_f32_file_by_the_engine(tmp_path: Path) -> None:
    base = base_directory(tmp_path / "base")
    engine = tmp_path / "llama-quantize"
    engine.write_text('#!/bin/sh\ntest "$3" = Q5_K_M && cp "$1" "$2"\n')
    engine.chmod(0o755)

    path = export_to_gguf(base.path, tmp_path / "out" / "a.gguf", "q5_k_m", engine=engine)

    assert GgufFile(path).kind("blk.0.attn_q.weight") == "F32"
    assert list((tmp_path / "out").iterdir()) == [path]


def test_a_k_quant_without_an_engine_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = base_directory(tmp_path / "base")
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ConfigError, match="q8_0 needs neither"):
        export_to_gguf(base.path, tmp_path / "out" / "a.gguf")
    assert not (tmp_path / "out").exists()


def test_the_error_of_the_logits_is_told(tmp_path: Path) -> None:
    base = base_directory(tmp_path / "base")

    found = write_gguf(MergedWeights(base), byte_tokenizer(), tmp_path / "a.gguf", quantization="bf16")

    assert 0 < found.share < 0.05


def test_sample_prompts_are_those_of_the_role() -> None:
    renderer = Renderer(byte_tokenizer(), load_profile("deacon"))

    prompts = sample_prompts(renderer)

    assert len(prompts) == 2
    assert all("You are the deacon" in prompt.text for prompt in prompts)
    assert prompts[0].ids == renderer._encoded([prompts[0].text])[0]
    assert exporter.QUANTIZATIONS[:4] == ("f32", "f16", "bf16", "q8_0")
