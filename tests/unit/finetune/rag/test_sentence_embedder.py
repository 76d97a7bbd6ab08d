# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_embedder import make_embedder
from transformers import AutoModel, AutoTokenizer

from node0.errors import ConfigError, NotFound
from node0.finetune.rag.sentence_embedder import SentenceEmbedder

TEXTS = ["a short one", "another text that is longer", "x"]


def hidden(directory: Path, text: str) -> torch.Tensor:
    coded = AutoTokenizer.from_pretrained(directory)(text, return_tensors="pt")
    with torch.no_grad():
        states: torch.Tensor = AutoModel.from_pretrained(directory).eval()(**coded).last_hidden_state[0]
    return states


@pytest.mark.parametrize("pooling", ["mean_tokens", "cls_token"])
def test_vectors_are_pooled_hidden_states_of_length_one(tmp_path: Path, pooling: str) -> None:
    directory = make_embedder(tmp_path / "model", pooling=pooling, longest=48)

    vectors = SentenceEmbedder(directory).embed(TEXTS)

    for text, vector in zip(TEXTS, vectors, strict=True):
        states = hidden(directory, text)
        pooled = states.mean(0) if pooling == "mean_tokens" else states[0]
        np.testing.assert_allclose(vector, (pooled / pooled.norm()).numpy(), atol=1e-5)
    assert vectors.dtype == np.float32


def test_a_text_beyond_the_models_length_is_cut_there(tmp_path: Path) -> None:
    embedder = SentenceEmbedder(make_embedder(tmp_path / "model", longest=8))

    long, cut, other = embedder.embed(["abcdef" + "z" * 50, "abcdef", "abcxef"])

    np.testing.assert_allclose(long, cut, atol=1e-5)
    assert not np.allclose(cut, other, atol=1e-3)


def test_prompts_of_the_directory_stand_before_queries_and_documents(tmp_path: Path) -> None:
    directory = make_embedder(tmp_path / "model")
    plain = SentenceEmbedder(directory).embed(["q: dog", "d: dog", "dog"])
    said = {"prompts": {"query": "q: ", "document": "d: "}}
    (directory / "config_sentence_transformers.json").write_text(json.dumps(said))

    embedder = SentenceEmbedder(directory)

    np.testing.assert_allclose(embedder.embed(["dog"], query=True)[0], plain[0], atol=1e-6)
    np.testing.assert_allclose(embedder.embed(["dog"])[0], plain[1], atol=1e-6)


def test_another_model_has_another_identity_and_a_copy_has_the_same(tmp_path: Path) -> None:
    one, copy, other = (
        SentenceEmbedder(make_embedder(tmp_path / name, seed=seed))
        for name, seed in (("one", 0), ("copy", 0), ("other", 1))
    )

    assert one.identity == copy.identity != other.identity
    assert one.embed([]).shape == (0, 32)


def test_a_directory_that_cannot_be_used_is_named_with_what_to_do(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(NotFound, match=r"no embedding model can be read from .*empty"):
        SentenceEmbedder(empty)
    with pytest.raises(ConfigError, match="pools by pooling_mode_weightedmean_tokens: use a model with mean"):
        SentenceEmbedder(make_embedder(tmp_path / "odd", pooling="weightedmean_tokens"))
    model = make_embedder(tmp_path / "torn")
    (model / "sentence_bert_config.json").write_text("{")
    with pytest.raises(ConfigError, match=r"sentence_bert_config\.json cannot be read \(it is not JSON"):
        SentenceEmbedder(model)


def test_weights_that_end_too_early_are_named_with_what_to_do(tmp_path: Path) -> None:
    directory = make_embedder(tmp_path / "model")
    weights = directory / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])

    with pytest.raises(NotFound, match=r"no embedding model can be read from .*; name another"):
        SentenceEmbedder(directory)


def test_weights_that_are_a_pickle_are_not_read(tmp_path: Path) -> None:
    directory = make_embedder(tmp_path / "model")
    (directory / "model.safetensors").rename(directory / "pytorch_model.bin")

    with pytest.raises(NotFound, match="no embedding model can be read"):
        SentenceEmbedder(directory)
