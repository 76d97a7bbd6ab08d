# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from node0.finetune.rag import latent
from node0.finetune.rag.latent import BUCKETS, LatentEmbedder, _dense, _leading, _normal

FARM = "the cow eats grass in the meadow while the calf sleeps near the barn"
SEA = "the boat leaves harbour and its sail takes wind across the bay"


def texts() -> list[str]:
    farm, sea = FARM.split(), SEA.split()
    pick = np.random.default_rng(3).choice
    return [" ".join(pick(words, 7)) for _ in range(40) for words in (farm, sea)]


def test_words_that_keep_company_are_close_without_sharing_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latent, "WIDTH", 2)
    embedder = LatentEmbedder.fit(texts())

    cow, grass, sail = embedder.embed(["cow calf", "meadow grass", "sail harbour"])

    assert cow @ grass > 0.5
    assert abs(cow @ sail) < 0.2


def test_a_misspelt_word_is_close_to_the_right_one() -> None:
    embedder = LatentEmbedder.fit(texts())

    right, wrong, other = embedder.embed(["meadow", "meadoww", "harbour"])

    assert right @ wrong > 0.5 > right @ other


def test_vectors_have_length_one_and_a_strange_text_has_none() -> None:
    embedder = LatentEmbedder.fit(texts())

    known, empty = embedder.embed(["cow", "?"])

    assert abs(float(known @ known) - 1) < 1e-5
    assert not empty.any()
    assert embedder.embed([]).shape[0] == 0


def test_the_same_texts_give_the_same_analysis_and_it_survives_the_store() -> None:
    first = LatentEmbedder.fit(texts())
    second = LatentEmbedder.from_bytes(LatentEmbedder.fit(texts()).to_bytes())

    np.testing.assert_array_equal(first.embed([FARM]), second.embed([FARM]))
    assert second.seen == 80


def test_the_span_is_that_of_the_singular_vectors() -> None:
    draw = np.random.default_rng(1)
    rows = []
    for _ in range(60):
        buckets = np.unique(draw.integers(0, 50, 12))
        rows.append((buckets, _normal(draw.random(len(buckets)).astype(np.float32))))
    exact = np.linalg.svd(_dense(rows), full_matrices=False)[2][:8]

    basis = _leading(rows, 8)

    assert basis.shape == (BUCKETS, 8)
    np.testing.assert_allclose(basis.T @ basis, np.eye(8), atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(exact @ basis, axis=1), 1, atol=1e-3)
