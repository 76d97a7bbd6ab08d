# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from tiny_embedder import make_embedder

from node0.errors import ConfigError, NotFound
from node0.finetune.rag import embedders
from node0.finetune.rag.embedders import MODEL_FACT, load_sentence_embedder, wanted_embedder
from node0.store.chunk_store import ChunkStore


def test_a_directory_gives_its_model_and_whose_it_is(tmp_path: Path) -> None:
    identity, embedder = load_sentence_embedder(make_embedder(tmp_path / "tiny"))

    assert len(identity) == 64
    assert embedder.name == "embedding model tiny"
    assert embedder.embed(["one", "two"]).shape == (2, 32)


def test_a_missing_directory_and_a_missing_extra_say_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotFound, match="name its directory with --embedder"):
        load_sentence_embedder(tmp_path / "none")
    monkeypatch.setattr(embedders, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="extra finetune"):
        load_sentence_embedder(tmp_path)


def test_an_index_that_was_told_nothing_is_analysed_itself(tmp_path: Path) -> None:
    store = ChunkStore(tmp_path / "index.sqlite")
    assert wanted_embedder(store) == "latent"
    store.put_facts({MODEL_FACT: b"/models/small"})

    assert wanted_embedder(store) == "/models/small"
