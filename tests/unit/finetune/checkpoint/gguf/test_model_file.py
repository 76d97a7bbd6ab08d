# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
import torch
from tiny_export import FAMILIES, base_directory, byte_tokenizer

from node0.finetune.checkpoint.gguf.gguf_file import GgufFile
from node0.finetune.checkpoint.gguf.model_file import BASE_DIGEST, write_model
from node0.finetune.checkpoint.gguf.numbers import FORMATS
from node0.finetune.checkpoint.gguf.read_tokenizer import read_vocabulary
from node0.finetune.checkpoint.gguf.tensor_layout import ROPE_FREQS, missing_fields, rope_factors
from node0.finetune.checkpoint.gguf.vocabulary import Vocabulary
from node0.finetune.checkpoint.merged_weights import MergedWeights

VOCABULARY = read_vocabulary(byte_tokenizer(), 448)


def _written(tmp_path: Path, family: str, numbers: str = "f32") -> tuple[GgufFile, MergedWeights]:
    weights = MergedWeights(base_directory(tmp_path / "base", family))
    path = tmp_path / f"{numbers}.gguf"
    write_model(path, weights, VOCABULARY, numbers=FORMATS[numbers], name="tiny")
    return GgufFile(path), weights


@pytest.mark.parametrize("family", FAMILIES)
def test_every_weight_comes_back_exactly_in_f32(tmp_path: Path, family: str) -> None:
    file, weights = _written(tmp_path, family)

    for name, shape in weights.shapes.items():
        assert torch.equal(file.weight(name, torch.Size(shape), args=weights.args), weights.read(name)), name
    assert missing_fields(weights.args, file.metadata) == []


def test_rows_of_q_lie_interleaved_in_the_file(tmp_path: Path) -> None:
    file, weights = _written(tmp_path, "llama")
    ours = weights.read("layers.1.attention.wq.weight")

    stored = file.values("blk.1.attn_q.weight")

    assert torch.equal(stored[:4], ours[[0, 8, 1, 9]])
    assert torch.equal(stored[16], ours[16])


def test_the_tokenizer_is_inside(tmp_path: Path) -> None:
    file, weights = _written(tmp_path, "qwen3")

    assert Vocabulary.from_metadata(file.metadata) == VOCABULARY
    assert file.metadata["general.architecture"] == "qwen3"
    assert file.metadata["general.name"] == "tiny"
    assert file.metadata[BASE_DIGEST] == weights.base.digest


def test_a_tied_head_is_not_stored_twice(tmp_path: Path) -> None:
    tied, _ = _written(tmp_path / "tied", "qwen2")
    own, _ = _written(tmp_path / "own", "llama")

    assert "output.weight" not in tied.shapes
    assert "output.weight" in own.shapes


def test_llama3_scaling_is_stored_as_divisors(tmp_path: Path) -> None:
    file, weights = _written(tmp_path, "llama3")
    expected = rope_factors(weights.args)

    assert expected is not None
    assert torch.equal(file.values(ROPE_FREQS), expected)


@pytest.mark.parametrize(("numbers", "kind"), [("f16", "F16"), ("bf16", "BF16"), ("q8_0", "Q8_0")])
def test_matrices_take_the_format_and_norms_stay_float32(tmp_path: Path, numbers: str, kind: str) -> None:
    file, _ = _written(tmp_path, "llama", numbers)

    assert file.kind("blk.0.ffn_up.weight") == kind
    assert file.kind("token_embd.weight") == kind
    assert file.kind("blk.0.attn_norm.weight") == "F32"


def test_equal_models_give_equal_bytes(tmp_path: Path) -> None:
    first, _ = _written(tmp_path / "1", "llama")
    second, _ = _written(tmp_path / "2", "llama")

    assert first.path.read_bytes() == second.path.read_bytes()
