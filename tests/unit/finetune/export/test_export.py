# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_export import adapter_directory, base_directory, source_of

from node0.errors import ConfigError, ExportFailed, NotFound
from node0.finetune.checkpoint.gguf.gguf_file import GgufFile
from node0.finetune.checkpoint.peft import read_peft
from node0.finetune.export import export as module
from node0.finetune.export.export import FORMATS, Options, export
from node0.finetune.inference.source import ModelSource
from node0.models.base_model import resolve_base


@pytest.fixture
def source(tmp_path: Path) -> ModelSource:
    base = base_directory(tmp_path / "base")
    return source_of(base, adapter_directory(tmp_path / "adapter", base), role="deacon")


def test_peft_keeps_the_adapter_as_it_is(tmp_path: Path, source: ModelSource) -> None:
    found = export(source, tmp_path / "out", format="peft")

    written, given = read_peft(tmp_path / "out"), read_peft(source.adapters[0])
    assert written.config == given.config
    assert all(torch.equal(written.tensors[key], value) for key, value in given.tensors.items())
    assert found.error.largest == 0
    assert found.serve is not None
    assert found.serve.endswith(f"--enable-lora --max-lora-rank 8 --lora-modules out={tmp_path / 'out'}")


@pytest.mark.parametrize(("numbers", "dtype"), [(None, "F32"), ("bf16", "BF16"), ("f16", "F16")])
def test_merged_is_a_base_of_its_own(
    tmp_path: Path, source: ModelSource, numbers: str | None, dtype: str
) -> None:
    found = export(source, tmp_path / "out", format="merged", options=Options(quantization=numbers))

    base = resolve_base(tmp_path / "out")
    assert base.digest != source.base.digest
    assert base.tokenizer_path is not None
    assert (found.error.largest == 0) == (numbers is None)
    header = (tmp_path / "out" / "model.safetensors").read_bytes()[:4000]
    assert f'"dtype":"{dtype}"'.encode() in header


def test_gguf_is_q8_0_when_nothing_is_said(tmp_path: Path, source: ModelSource) -> None:
    found = export(source, tmp_path / "deacon.gguf", format="gguf")

    assert GgufFile(found.path).kind("blk.0.ffn_up.weight") == "Q8_0"
    assert found.serve is not None
    assert found.serve.startswith(f"llama-server --model {found.path} --alias deacon --ctx-size 512")


def test_an_adapter_file_is_served_by_nothing_alone(tmp_path: Path, source: ModelSource) -> None:
    found = export(source, tmp_path / "a.gguf", format="gguf-adapter")

    assert GgufFile(found.path).metadata["general.type"] == "adapter"
    assert found.serve is None


def test_ollama_gets_a_modelfile_beside_the_weights(tmp_path: Path, source: ModelSource) -> None:
    found = export(source, tmp_path / "deacon", format="ollama", options=Options(temperature=0.5))

    written = (found.path / "Modelfile").read_text()
    assert {path.name for path in found.path.iterdir()} == {"Modelfile", "model.gguf"}
    assert written.startswith("FROM ./model.gguf\n")
    assert "PARAMETER num_ctx 512\n" in written
    assert "PARAMETER temperature 0.5\n" in written
    assert 'PARAMETER stop "<|im_end|>"\n' in written
    assert 'SYSTEM """You are the deacon of Gas Town' in written
    assert found.serve == f"ollama create deacon --file {found.path / 'Modelfile'}"


def test_an_export_does_not_change_what_it_is_made_from(tmp_path: Path, source: ModelSource) -> None:
    folders = (source.base.path, source.adapters[0])
    before = {path: path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}

    for number, format in enumerate(FORMATS):
        export(source, tmp_path / f"out{number}", format=format)

    after = {path: path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}
    assert after == before


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_there_already_stays(tmp_path: Path, source: ModelSource, format: module.Format) -> None:
    (tmp_path / "out").write_text("mine")

    with pytest.raises(ConfigError, match="out is there already"):
        export(source, tmp_path / "out", format=format)
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.parametrize("format", FORMATS)
def test_a_failed_test_leaves_nothing(
    tmp_path: Path, source: ModelSource, format: module.Format, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*given: object, **named: object) -> None:
        raise ExportFailed("differs")

    for place in ("export.directories", "checkpoint.gguf.smoke", "checkpoint.gguf.adapter_file"):
        monkeypatch.setattr(f"node0.finetune.{place}.refuse_beyond", refuse)

    with pytest.raises(ExportFailed, match=r"^differs$"):
        export(source, tmp_path / "new" / "out", format=format)
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.parametrize(
    ("format", "options", "message"),
    [
        ("peft", Options(quantization="q8_0"), "peft holds an adapter in f32, not q8_0"),
        ("gguf-adapter", Options(quantization="f16"), "gguf-adapter holds an adapter in f32, not f16"),
        ("merged", Options(quantization="q8_0"), "cannot hold q8_0; take one of f32, f16, bf16, or gguf"),
        ("gguf", Options(quantization="q9"), "no format 'q9'"),
        ("gguf", Options(pre="mine"), "no rule 'mine' is known here"),
        ("zip", Options(), "no format 'zip'; take one of peft, merged, gguf, gguf-adapter, ollama"),
    ],
)
def test_what_a_format_cannot_hold_is_refused(
    tmp_path: Path, source: ModelSource, format: module.Format, options: Options, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        export(source, tmp_path / "out", format=format, options=options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("format", ["peft", "gguf-adapter"])
def test_a_base_alone_is_no_adapter(tmp_path: Path, source: ModelSource, format: module.Format) -> None:
    alone = replace(source, adapters=())

    with pytest.raises(ConfigError, match="model tiny has 0 adapters, this format holds one"):
        export(alone, tmp_path / "out", format=format)


def test_a_model_without_a_tokenizer_is_refused(tmp_path: Path, source: ModelSource) -> None:
    with pytest.raises(NotFound, match="model tiny has no tokenizer"):
        export(replace(source, tokenizer=None), tmp_path / "out", format="gguf")
