# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import numpy as np
import pytest
import torch
from gguf import GGUFWriter

from node0.errors import ExportFailed
from node0.finetune.checkpoint.gguf.gguf_file import GgufFile
from node0.models.llama.arguments import LlamaArguments

ARGS = LlamaArguments(hidden_dim=4, n_heads=1, num_hidden_layers=1, vocab_size=6, tie_embeddings=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.gguf"
    writer = GGUFWriter(path, "llama")
    writer.add_uint32("answer", 42)
    writer.add_array("words", ["é", "b"])
    writer.add_tensor("token_embd.weight", np.arange(24, dtype=np.float32).reshape(6, 4))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_fields_and_tensors_are_read(path: Path) -> None:
    file = GgufFile(path)

    assert file.metadata == {"general.architecture": "llama", "answer": 42, "words": ["é", "b"]}
    assert file.shapes == {"token_embd.weight": (6, 4)}
    assert file.values("token_embd.weight")[1].tolist() == [4, 5, 6, 7]


def test_a_tied_head_is_the_embedding(path: Path) -> None:
    file = GgufFile(path)

    assert torch.equal(
        file.weight("output.weight", torch.Size((6, 4)), args=ARGS), file.values("token_embd.weight")
    )


def test_another_shape_is_refused(path: Path) -> None:
    with pytest.raises(ExportFailed, match=r"tok_embeddings.weight has shape \(6, 4\), not \(5, 4\)"):
        GgufFile(path).weight("tok_embeddings.weight", torch.Size((5, 4)), args=ARGS)


def test_an_absent_tensor_is_refused(path: Path) -> None:
    with pytest.raises(ExportFailed, match=r"has no tensor output_norm.weight; export it again"):
        GgufFile(path).weight("norm.weight", torch.Size((4,)), args=ARGS)


@pytest.mark.parametrize("kept", [0, 3, 20, 200])
def test_a_file_that_is_cut_short_is_refused(path: Path, kept: int) -> None:
    path.write_bytes(path.read_bytes()[:kept])

    with pytest.raises(ExportFailed, match="is no whole GGUF file"):
        GgufFile(path)
